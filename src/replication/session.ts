import { tlsReason } from "../auth/index.ts";
import { toMonetaError, type MonetaError } from "../common/index.ts";
import { decodeControlMessage, type ControlMessage, type ServerNotice } from "./control-message.ts";
import { replicationErrors } from "./errors.ts";
import { createFrameSplitter } from "./frame-splitter.ts";
import { createIdleGuard } from "./idle-guard.ts";
import { serverError } from "./server-error.ts";
import type { Transport } from "./transport.ts";

/**
 * One question and all that the server answers to it. Exactly one exchange runs at a time; it ends itself
 * with `session.release()` when it saw the server's "ready", or is told `failed` when the connection died.
 */
export interface Exchange {
  /** It asks for WAL. */
  readonly streamsWal?: boolean;
  message(message: ControlMessage): void;
  copyStart?(length: number): void;
  /** Valid during the call only. */
  copyPiece?(piece: Buffer): void;
  copyEnd?(): void;
  /** Everything that one read brought has been handed out. */
  drained?(): void;
  /** The connection is gone; the last call. */
  failed(error: MonetaError): void;
}

/** The conversation on one transport: order, shared facts, silence, and one place where it all ends. */
export interface Session {
  readonly transport: Transport;
  /** ParameterStatus values, newest first to be believed. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly key: { readonly processId: number; readonly secretKey: number };
  readonly isClosed: boolean;
  /** Throws CONNECTION_MISUSE while another exchange runs, or the reason when the connection is gone. */
  begin(exchange: Exchange): void;
  release(): void;
  send(bytes: Buffer): void;
  /** Watches for silence; 0 stops watching. Suspended while paused. */
  watch(timeoutMs: number): void;
  idleMs(): number;
  pause(): void;
  resume(): void;
  /** Ends the connection at once and tells the running exchange why. */
  fail(error: MonetaError): void;
  /** Resolves when the transport is closed. */
  readonly closed: Promise<void>;
}

/** A server reports some fifteen; more than this is not one. */
const maximumParameters = 1000;
/** Notices, notifications and settings that come one after the other, without anything that was asked for. */
const maximumAsideBytes = 64 * 1024 * 1024;

export function createSession(transport: Transport, onNotice: ((notice: ServerNotice) => void) | undefined): Session {
  const parameters = new Map<string, string>();
  let key = { processId: 0, secretKey: 0 };
  let current: Exchange | undefined;
  let ended: MonetaError | undefined;
  let lastError: MonetaError | undefined;
  let watchMs = 0;
  let paused = false;
  let asideBytes = 0;
  let markClosed: () => void;
  const closed = new Promise<void>((resolve) => {
    markClosed = resolve;
  });
  const guard = createIdleGuard((idleMs) => {
    fail(replicationErrors.silent(`server sent nothing for ${Math.round(idleMs)} ms`, { idleMs: Math.round(idleMs) }));
  });

  const fail = (error: MonetaError): void => {
    if (ended !== undefined) return;
    ended = error;
    guard.disarm();
    transport.destroy();
    const exchange = current;
    current = undefined;
    exchange?.failed(error);
  };

  /** Every byte is a sign of life: without a bound a server that only talks would keep a command waiting for ever. */
  const chargeAside = (length: number): void => {
    asideBytes += length;
    if (asideBytes > maximumAsideBytes) throw replicationErrors.protocol("server sends notices without end and no answer");
  };

  const dispatch = (message: ControlMessage, length: number): void => {
    switch (message.kind) {
      case "parameter":
      case "notice":
      case "notification":
        chargeAside(length);
        break;
      case "ready":
        asideBytes = 0;
        break;
      default:
    }
    switch (message.kind) {
      case "parameter":
        if (parameters.size >= maximumParameters) throw replicationErrors.protocol("server reports too many parameters");
        parameters.set(message.name, message.value);
        return;
      case "notice":
        onNotice?.(message.notice);
        return;
      case "notification":
        return;
      case "key":
        key = { processId: message.processId, secretKey: message.secretKey };
        return;
      case "ready":
        splitter.trust();
        lastError = undefined;
        break;
      case "error":
        lastError = serverError(message.notice, current?.streamsWal);
        break;
      default:
    }
    if (current !== undefined) current.message(message);
    else if (message.kind !== "error") throw replicationErrors.protocol(`message "${message.kind}" that nobody asked for`);
  };

  const inCopy = (): Exchange => {
    if (current?.copyPiece === undefined) throw replicationErrors.protocol("CopyData that nobody asked for");
    return current;
  };
  const splitter = createFrameSplitter({
    message: (frame) => {
      // After the connection was given up within a read, the rest of that read concerns nobody.
      if (ended === undefined) dispatch(decodeControlMessage(frame), frame.length);
    },
    copyStart: (length) => {
      if (ended === undefined) inCopy().copyStart?.(length);
    },
    copyPiece: (piece) => {
      asideBytes = 0;
      if (ended === undefined) inCopy().copyPiece?.(piece);
    },
    copyEnd: () => {
      if (ended === undefined) inCopy().copyEnd?.();
    },
  });

  transport.listen({
    bytes(bytes) {
      if (ended !== undefined) return;
      guard.touch();
      try {
        splitter.push(bytes);
        current?.drained?.();
      } catch (error) {
        fail(toMonetaError(error));
      }
    },
    closed(cause) {
      fail(lastError ?? closeReason(cause));
      markClosed();
    },
  });

  return {
    transport,
    parameters,
    get key() {
      return key;
    },
    get isClosed() {
      return ended !== undefined;
    },
    begin(exchange) {
      if (ended !== undefined) throw ended;
      if (current !== undefined) throw replicationErrors.misuse("connection is busy with another command");
      current = exchange;
    },
    release() {
      current = undefined;
      watchMs = 0;
      guard.disarm();
      if (paused) this.resume();
    },
    send: (bytes) => {
      transport.write(bytes);
    },
    watch(timeoutMs) {
      watchMs = timeoutMs;
      if (ended === undefined && !paused) guard.arm(timeoutMs);
    },
    idleMs: () => guard.idleMs(),
    pause() {
      paused = true;
      guard.disarm();
      transport.pause();
    },
    resume() {
      if (!paused) return;
      paused = false;
      if (ended !== undefined) return;
      guard.arm(watchMs);
      transport.resume();
    },
    fail,
    closed,
  };
}

function closeReason(cause: Error | undefined): MonetaError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  if (code.startsWith("ERR_SSL")) return replicationErrors.tlsFailed(`TLS failed: ${cause === undefined ? code : tlsReason(cause)}`, {}, cause);
  return replicationErrors.connectionLost("server closed the connection", {}, cause);
}
