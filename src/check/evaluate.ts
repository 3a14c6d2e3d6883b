/** All checks of one server at once, and what they come to. Pure. */
import { messageOf } from "../common/index.ts";
import type { CheckInput, CheckStatus, CheckTable, Verdict } from "./check.ts";
import { backupChecks } from "./checks-backup.ts";
import { serverChecks } from "./checks-server.ts";
import { walChecks } from "./checks-wal.ts";
import { figuresOf } from "./figures.ts";
import type { Figure } from "./nagios.ts";
import { checkCodes, type CheckCode } from "./options.ts";

/** Every check by its code. */
export const checkTable: CheckTable = { ...serverChecks, ...walChecks, ...backupChecks };

export interface CheckResult extends Verdict {
  readonly code: CheckCode;
  /** `check_ignore` names it: it is shown and does not count. */
  readonly ignored: boolean;
}

/** Statuses of Nagios' plugins. */
export const exitStatuses = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const;
export type OverallStatus = keyof typeof exitStatuses;

export interface CheckReport {
  readonly server: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly status: OverallStatus;
  readonly results: readonly CheckResult[];
  /** What is worth a curve. */
  readonly figures: readonly Figure[];
}

/** Judges by the whole table. A check that fails itself is `unknown`: no answer is no yes. */
export function runChecks(input: CheckInput, ignored: readonly CheckCode[], table: CheckTable = checkTable): CheckReport {
  const results = checkCodes.map((code): CheckResult => {
    const { fix, judge } = table[code];
    const verdict = verdictOf(judge, input);
    const wrong = verdict.status !== "ok" && verdict.status !== "skipped";
    return { ...verdict, code, ignored: wrong && ignored.includes(code), ...(wrong ? { fix: verdict.fix ?? fix } : {}) };
  });
  return { server: input.server, at: input.now, status: overall(results), results, figures: figuresOf(input) };
}

function verdictOf(judge: (input: CheckInput) => Verdict, input: CheckInput): Verdict {
  try {
    return judge(input);
  } catch (error) {
    return { status: "unknown", message: `the check itself failed: ${messageOf(error)}`, fix: "This is a defect: please report it." };
  }
}

/** The worst counts: critical, then warning, then unknown. */
export function overall(results: readonly Pick<CheckResult, "status" | "ignored">[]): OverallStatus {
  const has = (status: CheckStatus): boolean => results.some((result) => result.status === status && !result.ignored);
  if (has("critical")) return "critical";
  if (has("warning")) return "warning";
  return has("unknown") ? "unknown" : "ok";
}

export function countOf({ results }: CheckReport, status: CheckStatus): number {
  return results.filter((result) => result.status === status && !result.ignored).length;
}
