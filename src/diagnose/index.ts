/** The support bundle: what is collected of a machine and a repository, what is taken out of it, and how it is written. */
export { boundedJson, boundedLists, boundedText, largestPart, type PartContent } from "./bounded-text.ts";
export { bundleName, writeBundle, type WrittenBundle } from "./bundle.ts";
export { diagnoseErrors } from "./errors.ts";
export { installationPlans, machinePlans, mostServers, type HostFacts, type Installation } from "./host-parts.ts";
export { logTailBytes, readLogTail, readTail, type LogPlace } from "./log-tail.ts";
export { describeFailure, jsonText, makePart, makeParts, partTimeMs, type BundlePart, type PartPlan } from "./part.ts";
export { describeProcesses, type DiagnosedProcess } from "./processes.ts";
export { bundleReadme, type BundleOrigin } from "./readme.ts";
export { createBundleRedactor, redactPart, ruleNames, type BundleRedactor } from "./redact-bundle.ts";
export type { DiagnosedServer } from "./repository-parts.ts";
export { readSecretFiles } from "./secret-files.ts";
export { secretForms } from "./secret-forms.ts";
