/** Proving that a backup is what was stored, without restoring it. */
export { verifyErrors } from "./errors.ts";
export { verify } from "./verify.ts";
export type { Finding, FindingKind, FindingPlace, Unread } from "./finding.ts";
export { createFileList, plainReport, requireGood } from "./outcome.ts";
export type { PlainFinding, PlainReport } from "./outcome.ts";
export type {
  VerifiedFile,
  VerifyDependencies,
  VerifyOptions,
  VerifyProgress,
  VerifyReport,
  VerifyState,
} from "./verify-options.ts";
