/**
 * One connection: one request, one answer, the end. A client may be silent, slow, talk nonsense, send too much or
 * go away at any moment; none of that is felt outside this session.
 */
import type { Socket } from "node:net";
import { toMonetaError } from "../common/index.ts";
import type { Clock, MonetaError, Semaphore } from "../common/index.ts";
import { encryptionErrors } from "../encryption/errors.ts";
import type { MasterKey } from "../encryption/index.ts";
import type { Logger } from "../log/index.ts";
import { buildResponse, checkRequest, encodeDocument, parseRequest } from "./document.ts";
import type { ManagementRequest, RawRequest, ResponseResult } from "./document.ts";
import { managementErrors } from "./errors.ts";
import { createFrameReader, decodeFrame, encodeFrame, maxRequestDocumentBytes } from "./frame.ts";
import type { Frame, FrameShape } from "./frame.ts";
import type { Principal } from "./principal.ts";

/** What a handler may know of the connection that asked. */
export interface ManagementSession {
  readonly id: number;
  /** Who asks. */
  readonly principal: Principal;
  /**
   * Fires when the client is gone, or has closed its writing side: the two look the same until something is
   * written. A job that it started goes on, and the answer is sent all the same.
   */
  readonly disconnected: AbortSignal;
  /** Runs `action` once the answer has been handed to the system or the client is gone: what `shutdown` waits for. */
  afterAnswer(action: () => void): void;
}

export type ManagementHandler = (request: ManagementRequest, session: ManagementSession) => Promise<ResponseResult>;

export interface SessionLimits {
  /** Milliseconds within which the whole request must have arrived (`authentication_timeout`). */
  readonly requestTimeoutMs: number;
  /** Milliseconds that a client may take to fetch its answer. */
  readonly answerTimeoutMs: number;
  /** Bytes of a request frame. */
  readonly maxRequestBytes: number;
}

export interface SessionContext {
  readonly handle: ManagementHandler;
  readonly masterKeys: () => Promise<readonly MasterKey[]>;
  readonly principal: Principal;
  readonly limits: SessionLimits;
  /** Requests are unpacked one after the other, so that a hundred of them need the memory of one. */
  readonly unpacking: Semaphore;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** A client of another machine that has its answer closes within this, or is closed. */
const lingerMs = 5_000;

/** An answer goes in pieces of so many bytes, each of which has to be fetched in time. */
const pieceBytes = 256 * 1024;

/** Bytes after the request that are read and thrown away before the client is cut off. */
const maxSurplusBytes = 65_536;

export interface RunningSession {
  /** True until the request is complete: such a session may be dropped when room is needed. */
  readonly waiting: boolean;
  /** Cuts the connection. */
  drop(reason: string): void;
  /** Resolves when the connection is closed and the handler has returned. Never rejects. */
  readonly ended: Promise<void>;
}

/** The document of a frame, by the first of the keys that opens it. Throws what the first of them does. */
async function open(
  frame: Frame,
  keys: readonly MasterKey[],
): Promise<{ readonly text: string; readonly by: MasterKey | undefined }> {
  let failure: unknown;
  for (const by of keys.length === 0 ? [undefined] : keys) {
    try {
      return { text: await decodeFrame(frame, by, maxRequestDocumentBytes), by };
    } catch (error) {
      failure ??= error;
      // Only another key can help.
      if (!encryptionErrors.notAuthentic.is(error)) break;
    }
  }
  throw failure;
}

export function startSession(id: number, socket: Socket, context: SessionContext): RunningSession {
  const { limits, logger, clock } = context;
  const reader = createFrameReader(limits.maxRequestBytes);
  const gone = new AbortController();
  const afterAnswer: (() => void)[] = [];
  let waiting = true;
  let deadline: NodeJS.Timeout | undefined;
  let work: Promise<void> = Promise.resolve();

  const drop = (reason: string): void => {
    if (socket.destroyed) return;
    logger.debug("management connection dropped", { session: id, reason });
    socket.destroy();
  };
  const arm = (ms: number, reason: string): void => {
    clearTimeout(deadline);
    deadline = setTimeout(() => drop(reason), ms);
  };
  const session: ManagementSession = {
    id,
    principal: context.principal,
    disconnected: gone.signal,
    afterAnswer: (action) => void afterAnswer.push(action),
  };

  /** Unpacks and checks the request; what could be read of it is kept for the answer even when it is refused. */
  const unpack = async (
    frame: Frame,
  ): Promise<{ raw?: RawRequest; request?: ManagementRequest; error?: MonetaError; masterKey?: MasterKey | undefined }> => {
    let raw: RawRequest | undefined;
    const keys = frame.encryption === "none" ? [] : await context.masterKeys();
    let masterKey = keys[0];
    try {
      const { text, by } = await context.unpacking.run(() => open(frame, keys));
      masterKey = by;
      raw = parseRequest(text);
      return { raw, request: checkRequest(raw), masterKey };
    } catch (error) {
      return { ...(raw === undefined ? {} : { raw }), error: toMonetaError(error), masterKey };
    }
  };
  const perform = async (request: ManagementRequest): Promise<ResponseResult> => {
    try {
      return await context.handle(request, session);
    } catch (error) {
      // A refusal by exception is an answer like any other; the supervisor must not fall over a request.
      return { status: false, error: toMonetaError(error) };
    }
  };
  const answer = async (frame: Frame): Promise<void> => {
    const start = clock.monotonic();
    // The answer is sealed with the key of the request, however long it takes and whatever becomes of the key.
    const { raw, request, error, masterKey } = await unpack(frame);
    const result: ResponseResult =
      request === undefined
        ? { status: false, error: error ?? managementErrors.requestInvalid("the request could not be read") }
        : await perform(request);
    if (!result.status) {
      logger.warn(`management request refused or failed: ${result.error.message}`, {
        session: id,
        command: request?.command ?? raw?.number ?? null,
        code: result.error.code,
      });
    }
    if (socket.destroyed) return;
    const text = encodeDocument(buildResponse(raw, result, clock.monotonic() - start));
    // Without a master key the refusal of an encrypted request can only be said in clear.
    const shape: FrameShape =
      frame.encryption !== "none" && masterKey === undefined
        ? { compression: "none", encryption: "none" }
        : frame;
    await deliver(await encodeFrame(text, shape, masterKey));
  };
  /** A client that fetches a long answer slowly is served as long as it fetches something. */
  const deliver = async (bytes: Buffer): Promise<void> => {
    for (let at = 0; at < bytes.length && !socket.destroyed; at += pieceBytes) {
      arm(limits.answerTimeoutMs, "the answer was not fetched in time");
      await new Promise<void>((resolve) => {
        socket.once("close", resolve);
        socket.write(bytes.subarray(at, at + pieceBytes), () => {
          socket.removeListener("close", resolve);
          resolve();
        });
      });
    }
    if (socket.destroyed) return;
    await new Promise<void>((resolve) => {
      socket.once("close", resolve);
      socket.end(resolve);
    });
    // All of it lies in the queue of a client of this machine now, which reads to the end whether or not our side is
    // still there. On the way to another machine a reset would overtake it: the client closes first.
    if (context.principal.kind === "local" || socket.readableEnded) socket.destroy();
    else if (!socket.destroyed) arm(lingerMs, "the client does not close");
  };

  const onData = (piece: Buffer): void => {
    if (!waiting) {
      reader.push(piece);
      if (reader.surplus > maxSurplusBytes) drop("more bytes after the request than can be a mistake");
      return;
    }
    try {
      const frame = reader.push(piece);
      if (frame === undefined) return;
      waiting = false;
      clearTimeout(deadline);
      work = answer(frame)
        .catch((error: unknown) => {
          logger.error(`management answer could not be written: ${toMonetaError(error).message}`, { session: id });
          drop("the answer could not be written");
        })
        .finally(() => {
          for (const action of afterAnswer) action();
        });
    } catch (error) {
      drop(toMonetaError(error).message);
    }
  };

  const ended = new Promise<void>((resolve) => {
    socket.once("close", () => {
      clearTimeout(deadline);
      gone.abort();
      void work.then(resolve);
    });
  });
  socket.on("data", onData);
  // A client may close its writing side and still wait for the answer; one that ends before the request is gone.
  socket.on("end", () => {
    if (waiting) drop("the client left before its request was complete");
    else gone.abort();
    if (socket.writableFinished) socket.destroy();
  });
  socket.on("error", (error) => logger.debug(`management connection broke: ${error.message}`, { session: id }));
  // After a login its bytes were read one by one.
  socket.resume();
  arm(limits.requestTimeoutMs, "no complete request in time");
  return {
    get waiting() {
      return waiting;
    },
    drop,
    ended,
  };
}
