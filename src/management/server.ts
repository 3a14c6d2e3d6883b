/** The management listener: a Unix socket, a session for every connection, and limits on both. */
import { chmod, lstat, unlink } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { createSemaphore, messageOf, readPeerCredentials, systemClock } from "../common/index.ts";
import type { Clock } from "../common/index.ts";
import type { MasterKey } from "../encryption/index.ts";
import type { Logger } from "../log/index.ts";
import { managementErrors } from "./errors.ts";
import { maxRequestBytes } from "./frame.ts";
import { startSession } from "./session.ts";
import type { ManagementHandler, SessionLimits } from "./session.ts";
import { createSessionPool, type PoolLimits } from "./session-pool.ts";

export type { ManagementHandler, ManagementSession } from "./session.ts";

/** Name of the socket in `unix_socket_dir`, pgmoneta's own, so that its client finds us. */
export const managementSocketName = ".s.pgmoneta";

export interface ManagementLimits extends SessionLimits, PoolLimits {}

export const defaultManagementLimits: ManagementLimits = {
  requestTimeoutMs: 5_000,
  answerTimeoutMs: 30_000,
  maxRequestBytes,
  maxWaiting: 64,
  maxConnections: 512,
};

export interface ManagementServerOptions {
  readonly socketPath: string;
  /** Permission bits of the socket; what goes beyond 0660 is cut off. Default 0660. */
  readonly mode?: number;
  /** Asked at every message, so that a key that was made or replaced later is seen: the one in use first, then the one before. */
  readonly masterKeys?: () => Promise<readonly MasterKey[]>;
  /** Answers a request that passed every check. Exceptions become failed outcomes. */
  readonly handle: ManagementHandler;
  readonly limits?: Partial<ManagementLimits>;
  readonly logger: Logger;
  readonly clock?: Clock;
}

export interface ManagementServer {
  readonly socketPath: string;
  /** Connections at this moment. */
  readonly connections: number;
  /** Limits for connections that are made from now on. */
  limit(limits: Partial<ManagementLimits>): void;
  /**
   * Stops listening and removes the socket, drops who has not asked yet, waits until every running request is
   * answered; `force` drops these too. Handlers that still run are waited for in both cases.
   */
  close(force?: boolean): Promise<void>;
}

/** The longest path that fits into `sun_path` with its final zero byte. */
const maxSocketPath = 107;

/** Whether somebody answers on the socket. Only a refused connection proves that nobody does. */
function someoneAnswers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createConnection({ path });
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      else
        reject(managementErrors.socketUnusable(`cannot find out who owns ${path}: ${error.message}`, { path }, error));
    });
  });
}

/** Removes the socket of a daemon that is gone. Throws when one answers, or when it is no socket. */
async function clearPath(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw managementErrors.socketUnusable(`cannot look at ${path}: ${error.message}`, { path }, error);
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw managementErrors.socketUnusable(`${path} exists and is not a socket`, { path });
  if (await someoneAnswers(path)) throw managementErrors.socketInUse(`another daemon answers on ${path}`, { path });
  await unlink(path);
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) =>
      reject(managementErrors.socketUnusable(`cannot listen on ${path}: ${messageOf(error)}`, { path }, error)),
    );
    // The socket exists from bind on, and bind happens inside this call: nobody else gets in before chmod.
    const before = process.umask(0o077);
    try {
      server.listen({ path }, resolve);
    } finally {
      process.umask(before);
    }
  });
}

/**
 * Listens on the socket. Throws `MANAGEMENT_SOCKET_IN_USE` when a daemon answers there,
 * `MANAGEMENT_SOCKET_UNUSABLE` when the path cannot be used.
 */
export async function createManagementServer(options: ManagementServerOptions): Promise<ManagementServer> {
  const { socketPath, logger } = options;
  let limits = { ...defaultManagementLimits, ...options.limits };
  const pool = createSessionPool(() => limits, logger);
  const unpacking = createSemaphore(1);

  const accept = (socket: Socket): void =>
    pool.admit(socket, (id) =>
      startSession(id, socket, {
        handle: options.handle,
        masterKeys: options.masterKeys ?? (async () => []),
        principal: { kind: "local", credentials: () => readPeerCredentials(socket) },
        limits,
        unpacking,
        logger,
        clock: options.clock ?? systemClock,
      }),
    );

  if (Buffer.byteLength(socketPath) > maxSocketPath) {
    throw managementErrors.socketUnusable(
      `the path ${socketPath} is too long for a socket: the limit is ${maxSocketPath} bytes`,
      { path: socketPath },
    );
  }
  await clearPath(socketPath);
  const server = createServer({ allowHalfOpen: true }, accept);
  await listen(server, socketPath);
  await chmod(socketPath, (options.mode ?? 0o660) & 0o660);
  server.on("error", (error) => logger.error(`management listener: ${error.message}`));

  return {
    socketPath,
    get connections() {
      return pool.size;
    },
    limit(changed) {
      limits = { ...limits, ...changed };
    },
    async close(force = false) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await pool.close(force);
      await closed;
    },
  };
}
