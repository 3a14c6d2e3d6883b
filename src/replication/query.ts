import type { MonetaError } from "../common/index.ts";
import type { ControlMessage } from "./control-message.ts";
import { replicationErrors } from "./errors.ts";
import { serverError } from "./server-error.ts";

/** What one statement of a query returned. */
export interface QueryResult {
  /** Names of the columns; empty for a statement that returns none. */
  readonly columns: readonly string[];
  /** Values as text; bytes that are no UTF-8 are kept as `pathFromBytes` writes them. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** Command tag, for example `SELECT 1`. */
  readonly tag: string;
}

/** Collects results message by message, whatever COPY streams come in between. */
export interface ResultCollector {
  /** False for a message that is no part of a result (copy-out, copy-both, copy-done, authentication). */
  take(message: ControlMessage): boolean;
  readonly results: QueryResult[];
  /** The first ErrorResponse. */
  readonly error: MonetaError | undefined;
}

/** All results of one command together; the biggest answer that we ask for is a timeline history. */
const maximumResultBytes = 64 * 1024 * 1024;

export interface CollectorOptions {
  /** Called with each result as soon as it is complete, with its number from 0. */
  readonly onResult?: (result: QueryResult, index: number) => void;
  /** The command asks for WAL, so that a file which the server does not find is a segment. */
  readonly streamsWal?: boolean;
}

export function createResultCollector({ onResult, streamsWal }: CollectorOptions = {}): ResultCollector {
  const results: QueryResult[] = [];
  let open: { columns: readonly string[]; rows: (string | null)[][] } | undefined;
  let bytes = 0;
  let error: MonetaError | undefined;

  /** What an object of ours costs besides its text. */
  const charge = (length: number): void => {
    bytes += 16 + length;
    if (bytes > maximumResultBytes) throw replicationErrors.protocol("answer is larger than any that was asked for");
  };

  const close = (tag: string): void => {
    charge(tag.length);
    for (const name of open?.columns ?? []) charge(name.length);
    const result = { columns: open?.columns ?? [], rows: open?.rows ?? [], tag };
    open = undefined;
    results.push(result);
    onResult?.(result, results.length - 1);
  };

  return {
    results,
    get error() {
      return error;
    },
    take(message) {
      switch (message.kind) {
        case "columns":
          if (open !== undefined) close("");
          open = { columns: message.names, rows: [] };
          return true;
        case "row":
          if (open === undefined) throw replicationErrors.protocol("row without a description");
          charge(0);
          for (const value of message.values) charge(value?.length ?? 0);
          open.rows.push(message.values);
          return true;
        case "complete":
          close(message.tag);
          return true;
        case "error":
          open = undefined;
          error ??= serverError(message.notice, streamsWal);
          return true;
        case "ready":
          if (open !== undefined) close("");
          return true;
        default:
          return false;
      }
    },
  };
}
