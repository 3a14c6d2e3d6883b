/** One thing that Moneta needs of a server, and how to get it. */
export interface Prerequisite {
  /** Stable name, for example `WAL_LEVEL`. */
  readonly code: string;
  readonly ok: boolean;
  /** Without an `error` nothing works; a `warning` says what does not work as well as it could. */
  readonly severity: "error" | "warning";
  readonly message: string;
  /** SQL or a line of a configuration file that puts it right; absent when all is well or no statement can help. */
  readonly statement?: string;
}

/** A prerequisite that is met. */
export function passed(code: string, message: string): Prerequisite {
  return { code, ok: true, severity: "error", message };
}

/** A prerequisite that is not met, with the statement that puts it right if there is one. */
export function failed(code: string, severity: Prerequisite["severity"], message: string, statement?: string): Prerequisite {
  return { code, ok: false, severity, message, ...(statement === undefined ? {} : { statement }) };
}
