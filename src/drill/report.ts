/** What a drill found, as plain data: the JSON report, and what the page shows. */

/** One check of the drilled server. */
export interface DrillCheckResult {
  readonly name: "amcheck" | "sql";
  readonly outcome: "passed" | "failed" | "not run";
  /** What ran, or why nothing did. */
  readonly what: string;
  readonly elapsedMs: number;
  /** What it said, cut in the middle when it is long. */
  readonly output: string;
}

/** Where a drill was when it failed. */
export type DrillStage = "restore" | "start" | "replay" | "amcheck" | "sql";

/** Times are ISO 8601 in UTC, durations milliseconds, sizes bytes. */
export interface DrillReport {
  readonly version: 1;
  readonly id: string;
  readonly writer: string;
  /** Id of the key that signed this report; null when it is not signed. */
  readonly signer: string | null;
  readonly server: string;
  readonly outcome: "proven" | "failed";
  readonly started: string;
  readonly ended: string;
  readonly backup: { readonly label: string; readonly version: string; readonly ended: string } | null;
  readonly position: string | null;
  readonly target: string | null;
  readonly timeline: number | null;
  /** The last moment and position that the drilled server had; a proof only where the outcome is one. */
  readonly reached: { readonly moment: string; readonly lsn: string | null; readonly transaction: boolean } | null;
  readonly restored: { readonly files: number; readonly bytes: number } | null;
  readonly walBytes: number | null;
  readonly times: {
    readonly restoreMs: number | null;
    readonly replayMs: number | null;
    /** From nothing to a server that is open. */
    readonly recoverMs: number | null;
    readonly totalMs: number;
  };
  readonly program: string | null;
  readonly databases: readonly { readonly name: string; readonly bytes: number }[];
  readonly checks: readonly DrillCheckResult[];
  readonly failure: { readonly stage: DrillStage; readonly code: string; readonly message: string } | null;
  readonly notes: readonly string[];
  /** The end of what the drilled server logged. */
  readonly serverLog: string;
}

/** The JSON report. */
export function formatReport(report: DrillReport): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}
