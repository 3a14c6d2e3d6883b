import { serialize } from "pg-protocol";
import type { MonetaError } from "../common/index.ts";
import { replicationErrors } from "./errors.ts";
import { createResultCollector, type QueryResult } from "./query.ts";
import type { Session } from "./session.ts";

/** Receives a stream in both directions; whatever it throws ends the connection. */
export interface CopyBothHandler {
  /** The server agreed: from now on `send` works. Not called when it answers with a result at once. */
  onStarted?(): void;
  onMessageStart(length: number): void;
  /** Valid during the call only. */
  onPiece(piece: Buffer): void;
  onMessageEnd(): void;
  /** All that one read brought has been handed out. */
  onDrained?(): void;
  /** The server ended its direction (CopyDone); what it has to say follows as results. */
  onServerDone?(): void;
  /** The command is over, the connection free for the next one. Exactly one of `onFinished` and `onFailed` is called. */
  onFinished(results: readonly QueryResult[]): void;
  /** The server refused or ended it with an error, or the connection is gone. */
  onFailed(error: MonetaError): void;
}

export interface CopyBothStream {
  /** True between the server's agreement and the end of our direction. */
  readonly isOpen: boolean;
  /** Bytes that the server has not taken from us yet. */
  readonly unsentBytes: number;
  send(bytes: Buffer): void;
  /** Ends our direction; what the server still sends is delivered. */
  end(): void;
  pause(): void;
  resume(): void;
  /** Milliseconds since the server's last byte. */
  idleMs(): number;
}

export function createCopyBoth(
  session: Session,
  sql: string,
  handler: CopyBothHandler,
  idleTimeoutMs: number,
): CopyBothStream {
  let receiving = false;
  let sending = false;
  let stopped = false;
  const collector = createResultCollector({ streamsWal: true });

  const end = (): void => {
    if (!sending) return;
    sending = false;
    session.send(serialize.copyDone());
  };

  session.begin({
    streamsWal: true,
    message(message) {
      if (message.kind === "copy-both") {
        if (receiving) throw replicationErrors.protocol("stream begins within a stream");
        receiving = true;
        sending = true;
        handler.onStarted?.();
      } else if (message.kind === "copy-done") {
        if (!receiving) throw replicationErrors.protocol("stream ends that did not begin");
        receiving = false;
        handler.onServerDone?.();
        end();
      } else if (receiving && message.kind === "complete") {
        // A walsender whose server shuts down says so in the middle of the stream, and closes (WalSndDone).
        stopped = true;
      } else if (receiving && message.kind !== "error") {
        throw replicationErrors.protocol(`message "${message.kind}" within the stream`);
      } else if (!collector.take(message)) {
        throw replicationErrors.protocol(`message "${message.kind}" in the answer to a stream command`);
      }
      if (message.kind === "error") {
        receiving = false;
        sending = false;
      }
      if (message.kind !== "ready") return;
      sending = false;
      session.release();
      if (collector.error === undefined) handler.onFinished(collector.results);
      else handler.onFailed(collector.error);
    },
    copyStart: (length) => {
      if (!receiving) throw replicationErrors.protocol("CopyData outside a stream");
      handler.onMessageStart(length);
    },
    copyPiece: (piece) => {
      handler.onPiece(piece);
    },
    copyEnd: () => {
      handler.onMessageEnd();
    },
    drained: () => handler.onDrained?.(),
    failed(error) {
      receiving = false;
      sending = false;
      const lost = stopped && replicationErrors.connectionLost.is(error);
      handler.onFailed(lost ? replicationErrors.serverStopped("server is shutting down and ended the stream") : error);
    },
  });
  session.watch(idleTimeoutMs);
  session.send(serialize.query(sql));

  return {
    get isOpen() {
      return sending;
    },
    get unsentBytes() {
      return session.transport.unsentBytes;
    },
    send: (bytes) => {
      if (sending) session.send(bytes);
    },
    end,
    pause: () => {
      session.pause();
    },
    resume: () => {
      session.resume();
    },
    idleMs: () => session.idleMs(),
  };
}
