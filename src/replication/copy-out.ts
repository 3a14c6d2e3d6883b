import { serialize } from "pg-protocol";
import type { MonetaError } from "../common/index.ts";
import { replicationErrors } from "./errors.ts";
import { createResultCollector, type QueryResult } from "./query.ts";
import type { Session } from "./session.ts";

/** Stops and starts reading from the socket; what the current read brought is still handed out after `pause`. */
export interface FlowControl {
  pause(): void;
  resume(): void;
}

/** Receives what a COPY command sends; whatever it throws ends the connection and rejects the command. */
export interface CopyOutHandler {
  /** Before anything else. */
  onFlow?(flow: FlowControl): void;
  /** A result that came before, between or after COPY streams, counted from 0. */
  onResult?(result: QueryResult, index: number): void;
  /** A COPY stream begins, counted from 0. */
  onCopyBegin?(index: number): void;
  onMessageStart?(length: number): void;
  /** Valid during the call only. */
  onPiece(piece: Buffer): void;
  onMessageEnd?(): void;
  onCopyEnd?(index: number): void;
}

export interface CopyOutResult {
  readonly results: readonly QueryResult[];
  /** The server's error, which can come after everything was delivered. */
  readonly error: MonetaError | undefined;
}

/**
 * Runs a command that answers with COPY streams. Silence is watched from the first CopyData on: before, a
 * server may rightly need minutes (a checkpoint, the sizes of all files).
 */
export async function runCopyOut(
  session: Session,
  sql: string,
  handler: CopyOutHandler,
  idleTimeoutMs: number,
): Promise<CopyOutResult> {
  return await new Promise((resolve, reject) => {
    let copies = 0;
    let copying = false;
    let watched = false;
    const collector = createResultCollector({ onResult: (result, index) => handler.onResult?.(result, index) });
    session.begin({
      message(message) {
        if (message.kind === "copy-out") {
          if (copying) throw replicationErrors.protocol("COPY begins within a COPY");
          copying = true;
          handler.onCopyBegin?.(copies);
        } else if (message.kind === "copy-done") {
          if (!copying) throw replicationErrors.protocol("COPY ends that did not begin");
          copying = false;
          handler.onCopyEnd?.(copies++);
        } else if (copying && message.kind !== "error") {
          throw replicationErrors.protocol(`message "${message.kind}" within a COPY`);
        } else if (!collector.take(message)) {
          throw replicationErrors.protocol(`message "${message.kind}" in the answer to a COPY command`);
        }
        if (message.kind === "error") copying = false;
        if (message.kind !== "ready") return;
        session.release();
        resolve({ results: collector.results, error: collector.error });
      },
      copyStart(length) {
        if (!copying) throw replicationErrors.protocol("CopyData outside a COPY");
        if (!watched) session.watch(idleTimeoutMs);
        watched = true;
        handler.onMessageStart?.(length);
      },
      copyPiece: (piece) => {
        handler.onPiece(piece);
      },
      copyEnd: () => {
        handler.onMessageEnd?.();
      },
      failed: reject,
    });
    handler.onFlow?.({
      pause: () => {
        session.pause();
      },
      resume: () => {
        session.resume();
      },
    });
    session.send(serialize.query(sql));
  });
}
