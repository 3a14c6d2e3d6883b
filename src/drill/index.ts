/** Proof that a backup restores: restored into scratch space, started by PostgreSQL, looked at, and taken away again. */
export { drillErrors } from "./errors.ts";
export { drill } from "./drill.ts";
export type { DrillDependencies, DrillOptions, DrillPhase, DrillPlan, DrillRestore } from "./drill-options.ts";
export { formatReport, type DrillCheckResult, type DrillReport } from "./report.ts";
export { formatReportPage } from "./report-page.ts";
export { createReportSigner, type ReportSigner } from "./sign-report.ts";
export { hasScratch, removeLeftovers } from "./scratch.ts";
export { findPrograms, type PostgresPrograms } from "./find-programs.ts";
