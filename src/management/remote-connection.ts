/** One connection of remote management: the login, then a session like any other. */
import type { Socket } from "node:net";
import { messageOf, toMonetaError } from "../common/index.ts";
import { managementErrors } from "./errors.ts";
import type { LoginDelays } from "./login-delays.ts";
import { logIn, type ServerLoginOptions } from "./server-login.ts";
import { startSession, type RunningSession, type SessionContext } from "./session.ts";

export interface RemoteConnectionContext extends Omit<SessionContext, "principal"> {
  /** Milliseconds for the whole login (`authentication_timeout`). */
  readonly loginTimeoutMs: number;
  readonly login: Omit<ServerLoginOptions, "delay">;
  readonly delays: LoginDelays;
}

/** A client that was refused gets so long to hear of it. */
const farewellMs = 2_000;

/** `10.0.0.7:50412`, `[::1]:50412`. */
const describeAddress = ({ remoteAddress = "an unknown address", remotePort = 0 }: Socket): string =>
  remoteAddress.includes(":") ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;

/** Starts with the login. What comes of it is logged here; the session that follows says no more about who it is. */
export function startRemoteConnection(id: number, socket: Socket, context: RemoteConnectionContext): RunningSession {
  const { delays, logger, loginTimeoutMs } = context;
  const address = socket.remoteAddress ?? "";
  const from = describeAddress(socket);
  let session: RunningSession | undefined;
  let dropped = false;

  const drop = (reason: string): void => {
    dropped = true;
    if (session !== undefined) session.drop(reason);
    else if (!socket.destroyed) {
      logger.debug("remote connection dropped", { session: id, from, reason });
      socket.destroy();
    }
  };
  let timer = setTimeout(() => drop("no complete login in time"), loginTimeoutMs);
  const failed = (error: unknown): void => {
    const { code, message } = toMonetaError(error);
    const fields = { session: id, from, code };
    if (managementErrors.loginRefused.is(error)) {
      const delay = delays.failed(address);
      logger.warn(`${message}, from ${from}`, { ...fields, ...(delay === 0 ? {} : { refusedForMs: delay }) });
    } else if (dropped || managementErrors.connectionClosed.is(error)) logger.debug(`a login was not completed: ${messageOf(error)}`, fields);
    else logger.warn(`a remote connection is refused: ${messageOf(error)}, from ${from}`, fields);
    clearTimeout(timer);
    timer = setTimeout(() => socket.destroy(), farewellMs);
  };
  const closed = new Promise<void>((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once("close", () => resolve());
  });
  // Until somebody reads, an error would end the process; each reader has its own way to hear of it.
  socket.on("error", () => undefined);
  const ended = logIn(socket, { ...context.login, delay: () => delays.wait(address) })
    .then(async ({ socket: secured, user, role, tls }) => {
      clearTimeout(timer);
      if (dropped) return;
      logger.debug(`${user} (${role}) has logged in from ${from}`, { session: id, tls: tls ?? "none" });
      session = startSession(id, secured, { ...context, principal: { kind: "remote", user, role, address: from } });
      await session.ended;
    })
    .catch(failed)
    .then(() => closed)
    .finally(() => clearTimeout(timer));
  return {
    get waiting() {
      return session?.waiting ?? true;
    },
    drop,
    ended,
  };
}
