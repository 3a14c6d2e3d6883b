/**
 * The one error class of Moneta and the way to declare its catalogue.
 *
 * Every folder declares its errors in its own `errors.ts` with `defineErrors`; nothing throws a bare
 * string or a plain `Error`. `doc/ERRORS.md` is generated from these tables and a test walks them.
 */

/** What is known about an error before it happens. */
export interface ErrorSpec {
  /** Stable, upper-case identifier, unique over the whole project, for example `WAL_DIVERGED`. Never renamed. */
  readonly code: string;
  /** Exit status of a command that ends with it: 1..125, or 126 and above where PostgreSQL must stop recovery. */
  readonly exit: number;
  /** True when the same attempt may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** What the operator can do, as a full sentence. */
  readonly hint: string;
}

/** Facts of one occurrence (paths, names, figures); never secrets. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

/** Plain form of an error for IPC and logs: Node's own serialisation drops `code` and `name`. */
export interface ErrorRecord {
  readonly code: string;
  readonly exit: number;
  readonly retryable: boolean;
  readonly hint: string;
  readonly message: string;
  readonly details: ErrorDetails;
  readonly cause?: string;
}

/** An error of the catalogue: says what went wrong, where, and how to fix it. */
export class MonetaError extends Error {
  readonly code: string;
  readonly exit: number;
  readonly retryable: boolean;
  readonly hint: string;
  readonly details: ErrorDetails;

  constructor(spec: ErrorSpec, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "MonetaError";
    this.code = spec.code;
    this.exit = spec.exit;
    this.retryable = spec.retryable;
    this.hint = spec.hint;
    this.details = details;
  }
}

/** Builds the error to throw: `throw walErrors.diverged("…", { segment }, cause)`. */
export type ErrorFactory = ((message: string, details?: ErrorDetails, cause?: unknown) => MonetaError) & {
  readonly spec: ErrorSpec;
  /** True when `error` is an occurrence of this entry (by code, so also across processes). */
  readonly is: (error: unknown) => error is MonetaError;
};

/** Declares a table of errors; each key becomes a factory. */
export function defineErrors<K extends string>(table: Readonly<Record<K, ErrorSpec>>): Readonly<Record<K, ErrorFactory>> {
  const factories: Partial<Record<K, ErrorFactory>> = {};
  for (const key of Object.keys(table) as K[]) {
    const spec = table[key];
    const make = (message: string, details?: ErrorDetails, cause?: unknown): MonetaError =>
      new MonetaError(spec, message, details, cause);
    const is = (error: unknown): error is MonetaError => error instanceof MonetaError && error.code === spec.code;
    factories[key] = Object.assign(make, { spec, is });
  }
  return factories as Record<K, ErrorFactory>;
}

/** What is not of the catalogue: a defect, or a failure that nobody foresaw. */
export const unexpectedError: ErrorSpec = {
  code: "UNEXPECTED",
  exit: 1,
  retryable: false,
  hint: "This is a defect or an unforeseen failure of the system: read the message and the log of the daemon.",
};

/** Text of anything thrown, system errors with their code, causes appended that the message does not quote itself. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : messageOf(error.cause);
  return cause === "" || error.message.includes(cause) ? error.message : `${error.message}: ${cause}`;
}

/** What went wrong and what to do, in one line: a message may end in a statement with a semicolon of its own. */
export function messageWithHint({ message, hint }: Pick<MonetaError, "message" | "hint">): string {
  return `${message}${message.endsWith(";") ? "" : ";"} ${hint}`;
}

/** Any thrown value as an error of the catalogue; what is not one becomes `UNEXPECTED` with the value as cause. */
export function toMonetaError(error: unknown): MonetaError {
  if (error instanceof MonetaError) return error;
  return new MonetaError(unexpectedError, messageOf(error), {}, error);
}

/** Plain form for IPC, management answers and logs. */
export function errorToRecord(error: unknown): ErrorRecord {
  const known = toMonetaError(error);
  const { code, exit, retryable, hint, message, details } = known;
  const record = { code, exit, retryable, hint, message, details };
  return known.cause === undefined || !(error instanceof MonetaError) ? record : { ...record, cause: messageOf(known.cause) };
}

/** The error that `errorToRecord` described, on the other side of a process boundary. */
export function errorFromRecord(record: ErrorRecord): MonetaError {
  return new MonetaError(record, record.message, record.details, record.cause);
}
