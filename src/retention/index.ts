/** What is kept of backups and WAL, and what goes: policy, plan, and the removal. */
export { planRetention } from "./plan.ts";
export type { Decision, RetentionFacts, RetentionPlan } from "./plan.ts";
export { formatPolicy } from "./policy.ts";
export type { RetentionPolicy } from "./policy.ts";
export { retentionErrors } from "./errors.ts";
export { nothingInUse } from "./in-use.ts";
export type { RepositoryInUse } from "./in-use.ts";
export { runRetention } from "./retention.ts";
export type { RetentionDependencies, RetentionOptions, RetentionOutcome } from "./retention.ts";
export type { ServerLine } from "./server-line.ts";
export { unneededWal } from "./wal-plan.ts";
export type { WalInUse, WalPlanInput } from "./wal-plan.ts";
export { describeRetention } from "./describe.ts";
export type { DescribedBackup, DescribedWal } from "./describe.ts";
