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
import { describeRemote, type RemoteAddress } from "./remote-address.ts";

/** Where the daemon listens: a socket of this machine, or remote management. */
export type ManagementAddress = { readonly socketPath: string; readonly remote?: undefined } | { readonly remote: RemoteAddress };

const describeAddress = (address: ManagementAddress): string =>
  address.remote === undefined ? address.socketPath : describeRemote(address.remote);

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

/** With several addresses Node reports one error for all of them, without a message of its own. */
const reasonOf = (error: unknown): string =>
  error instanceof AggregateError && error.errors.length > 0 ? error.errors.map(messageOf).join(", ") : messageOf(error);

function unreachable(address: ManagementAddress, error: unknown): MonetaError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const path = describeAddress(address);
  const reason = (address.remote === undefined ? hints[code] : undefined) ?? reasonOf(error);
  return managementErrors.daemonUnreachable(
    `cannot reach the daemon at ${path}: ${reason}`,
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
  const frame = await exchange(address, bytes, options);
  return parseResponse(await decodeFrame(frame, options.masterKey, documentLimit(frame)));
}

/** The bzip2 library sets room aside for all that is allowed; documents never shrink to a hundredth. */
function documentLimit(frame: Frame): number {
  if (frame.compression !== "bzip2") return maxAnswerBytes;
  return Math.min(maxAnswerBytes, Math.max(16 * 1024 * 1024, frame.payload.length * 100));
}

/** Sends the bytes and waits for one frame. */
async function exchange(address: ManagementAddress, bytes: Buffer, options: SendOptions): Promise<Frame> {
  const socket = await connect(address, options);
  try {
    return await awaitAnswer(socket, describeAddress(address), bytes, options);
  } finally {
    socket.destroy();
  }
}

const interrupted = (signal: AbortSignal | undefined): MonetaError =>
  managementErrors.interrupted("interrupted before the answer came; a job that was started goes on", {}, signal?.reason);

/** Settles with what `begin` says, with a failure when `signal` fires, or with `late` after `ms`. */
function within<T>(
  { signal, ms, late }: { readonly signal: AbortSignal | undefined; readonly ms: number | undefined; readonly late: () => MonetaError },
  begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const fail = (error: unknown): void => {
      finish();
      reject(toMonetaError(error));
    };
    const onAbort = (): void => fail(interrupted(signal));
    const timer = ms === undefined ? undefined : setTimeout(() => fail(late()), ms);
    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    signal?.addEventListener("abort", onAbort, { once: true });
    begin((value) => {
      finish();
      resolve(value);
    }, fail);
  });
}

/** A connection on which the request may be sent: to a remote daemon after the login. */
async function connect(address: ManagementAddress, { connectTimeoutMs = 10_000, signal }: SendOptions): Promise<Socket> {
  const { remote } = address;
  // A half-open socket: the request is written and ended later, the answer may take hours.
  const plain = createConnection(
    remote === undefined
      ? { path: address.socketPath, allowHalfOpen: true }
      : { host: remote.host, port: remote.port, allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 },
  );
  let what = "no answer to the connection";
  try {
    return await within<Socket>({ signal, ms: connectTimeoutMs, late: () => unreachable(address, new Error(what)) }, (resolve, reject) => {
      plain.on("error", (error) => reject(unreachable(address, error)));
      plain.once("connect", () => {
        if (remote === undefined) {
          resolve(plain);
          return;
        }
        what = "the login takes too long";
        // Loaded when it is needed: most requests go to this machine.
        const login = import("./client-login.ts").then(({ logInTo }) => logInTo(plain, remote));
        login.then(resolve, (error: unknown) =>
          reject(managementErrors.connectionClosed.is(error) ? unreachable(address, error) : error),
        );
      });
    });
  } catch (error) {
    plain.destroy();
    throw error;
  }
}

function awaitAnswer(socket: Socket, where: string, bytes: Buffer, { answerTimeoutMs, signal }: SendOptions): Promise<Frame> {
  const reader = createFrameReader(maxAnswerBytes);
  const late = (): MonetaError =>
    managementErrors.answerTimeout(`no answer from the daemon at ${where} within ${answerTimeoutMs} ms`, { path: where });
  const closed = (how: string, error?: Error): MonetaError =>
    managementErrors.connectionClosed(`the ${how}`, { path: where }, error);
  return within<Frame>({ signal, ms: answerTimeoutMs, late }, (resolve, reject) => {
    socket.on("data", (piece) => {
      try {
        const frame = reader.push(piece);
        if (frame !== undefined) resolve(frame);
      } catch (error) {
        reject(error);
      }
    });
    socket.on("error", (error) => reject(closed(`connection to the daemon at ${where} broke: ${error.message}`, error)));
    // After the answer the promise is settled and these do nothing.
    socket.on("end", () => reject(closed(`daemon at ${where} closed the connection without an answer`)));
    socket.on("close", () => reject(closed(`connection to the daemon at ${where} was closed without an answer`)));
    // After a login its bytes were read one by one.
    socket.resume();
    socket.write(bytes);
  });
}
