/** The operator's side of the protocol: one connection, one request, one answer. */
import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { messageOf, toMonetaError } from "../common/index.ts";
import type { MonetaError } from "../common/index.ts";
import type { MasterKey } from "../encryption/index.ts";
import { encodeDocument, parseResponse } from "./document.ts";
import type { ManagementResponse } from "./document.ts";
import { managementErrors } from "./errors.ts";
import { createFrameReader, decodeFrame, encodeFrame, maxAnswerBytes } from "./frame.ts";
import type { Frame, FrameShape } from "./frame.ts";
import type { JsonObject } from "./json.ts";

/** Where the daemon listens. TCP with SCRAM comes with remote management. */
export interface ManagementAddress {
  readonly socketPath: string;
}

export interface SendOptions extends FrameShape {
  readonly masterKey?: MasterKey | undefined;
  /** Milliseconds to wait for the connection; the daemon accepts at once or not at all. Default 10 s. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds to wait for the answer; without it as long as it takes, as a backup needs. */
  readonly answerTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const hints: Readonly<Record<string, string>> = {
  ENOENT: "no daemon has created it",
  ECONNREFUSED: "the socket is there but no daemon answers on it",
  EACCES: "this user may not open it",
};

function unreachable(path: string, error: unknown): MonetaError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return managementErrors.daemonUnreachable(
    `cannot reach the daemon at ${path}: ${hints[code] ?? messageOf(error)}`,
    { path, code },
    error,
  );
}

/**
 * Sends `document` and returns the answer. Throws `DAEMON_UNREACHABLE`, `MANAGEMENT_CONNECTION_CLOSED` and
 * `MANAGEMENT_ANSWER_TIMEOUT` and `MANAGEMENT_INTERRUPTED` (the outcome is unknown then), and the errors of frame and document.
 * A failed outcome is an answer, not an error.
 */
export async function sendRequest(
  address: ManagementAddress,
  document: JsonObject,
  options: SendOptions,
): Promise<ManagementResponse> {
  const bytes = await encodeFrame(encodeDocument(document), options, options.masterKey);
  const frame = await exchange(address.socketPath, bytes, options);
  return parseResponse(await decodeFrame(frame, options.masterKey, documentLimit(frame)));
}

/** The bzip2 library sets room aside for all that is allowed; documents never shrink to a hundredth. */
function documentLimit(frame: Frame): number {
  if (frame.compression !== "bzip2") return maxAnswerBytes;
  return Math.min(maxAnswerBytes, Math.max(16 * 1024 * 1024, frame.payload.length * 100));
}

function exchange(path: string, bytes: Buffer, options: SendOptions): Promise<Frame> {
  return new Promise((resolve, reject) => {
    const reader = createFrameReader(maxAnswerBytes);
    let connected = false;
    let timer: NodeJS.Timeout | undefined;
    const arm = (ms: number | undefined, error: () => MonetaError): void => {
      clearTimeout(timer);
      if (ms !== undefined) timer = setTimeout(() => fail(error()), ms);
    };
    // A half-open socket: the request is written and ended later, the answer may take hours.
    const socket: Socket = createConnection({ path, allowHalfOpen: true });
    const onAbort = (): void =>
      fail(
        managementErrors.interrupted(
          "interrupted before the answer came; a job that was started goes on",
          {},
          options.signal?.reason,
        ),
      );
    const finish = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      socket.destroy();
    };
    const fail = (error: MonetaError): void => {
      finish();
      reject(error);
    };
    if (options.signal?.aborted === true) return onAbort();
    options.signal?.addEventListener("abort", onAbort, { once: true });
    arm(options.connectTimeoutMs ?? 10_000, () => unreachable(path, new Error("no answer to the connection")));
    socket.on("connect", () => {
      connected = true;
      arm(options.answerTimeoutMs, () =>
        managementErrors.answerTimeout(`no answer from the daemon at ${path} within ${options.answerTimeoutMs} ms`, {
          path,
        }),
      );
      socket.write(bytes);
    });
    socket.on("data", (piece) => {
      try {
        const frame = reader.push(piece);
        if (frame === undefined) return;
        finish();
        resolve(frame);
      } catch (error) {
        fail(toMonetaError(error));
      }
    });
    socket.on("error", (error) => {
      if (connected)
        fail(
          managementErrors.connectionClosed(
            `the connection to the daemon at ${path} broke: ${error.message}`,
            { path },
            error,
          ),
        );
      else fail(unreachable(path, error));
    });
    // After `finish` the promise is settled and this does nothing.
    socket.on("end", () =>
      fail(
        managementErrors.connectionClosed(`the daemon at ${path} closed the connection without an answer`, { path }),
      ),
    );
    socket.on("close", () =>
      fail(
        managementErrors.connectionClosed(`the connection to the daemon at ${path} was closed without an answer`, {
          path,
        }),
      ),
    );
  });
}
