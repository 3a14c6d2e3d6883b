/** The listener of remote management, which can be moved, changed and turned off while the daemon runs. */
import type { Socket } from "node:net";
import { loadTlsServer, type TlsServerSettings } from "../auth/index.ts";
import { createSemaphore, messageOf, systemClock, type Clock } from "../common/index.ts";
import type { MasterKey } from "../encryption/index.ts";
import type { Logger } from "../log/index.ts";
import { buildAdminDirectory, type AdminSource } from "./admin-directory.ts";
import { maxRequestBytes } from "./frame.ts";
import { isPortTaken, listenOn, type Listening } from "./listening.ts";
import { createLoginDelays } from "./login-delays.ts";
import { startRemoteConnection } from "./remote-connection.ts";
import type { ServerLoginOptions } from "./server-login.ts";
import type { ManagementHandler, SessionLimits } from "./session.ts";
import { createSessionPool, type PoolLimits } from "./session-pool.ts";
import { createTlsUpgrade } from "./tls-upgrade.ts";

/** What the configuration says. */
export interface RemoteSettings {
  /** A name, an address, or `*`. */
  readonly host: string;
  readonly port: number;
  /** Undefined: TLS is not offered. */
  readonly tls: TlsServerSettings | undefined;
  /** Nobody gets in without TLS. */
  readonly tlsRequired: boolean;
  readonly admins: AdminSource;
  /** Milliseconds for a login, and again for the request that follows. */
  readonly loginTimeoutMs: number;
  /** Milliseconds that a client may take to fetch each piece of its answer. */
  readonly answerTimeoutMs: number;
  readonly keepAlive: boolean;
  readonly noDelay: boolean;
}

export interface RemoteManagementOptions {
  readonly handle: ManagementHandler;
  readonly masterKeys: () => Promise<readonly MasterKey[]>;
  /** Secret bytes that stay the same for the life of the installation; salts come from them. */
  readonly saltKey: () => Promise<Buffer>;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** For tests. */
  readonly limits?: Partial<PoolLimits>;
}

/** A change that is ready and cannot fail any more. */
export interface PreparedChange {
  commit(): void;
  /** Leaves everything as it was. */
  abandon(): Promise<void>;
}

export interface RemoteManagement {
  /** Where it listens; empty while it is off. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[];
  readonly connections: number;
  /** When the certificate that it shows expires, milliseconds since 1970; undefined without one. */
  readonly certificateExpires: number | undefined;
  /**
   * Makes the settings hold: listens there, with the TLS files and admins as they are now; `undefined` turns it off.
   * Connections that are open go on as they began. Throws `MANAGEMENT_PORT_UNUSABLE` or `TLS_SETTINGS`; then everything is
   * as it was before.
   */
  update(settings: RemoteSettings | undefined): Promise<void>;
  /** The same in two steps, for whoever changes several things at once; what it throws, it throws in the first. */
  prepare(settings: RemoteSettings | undefined): Promise<PreparedChange>;
  /** As that of the management socket. */
  close(force?: boolean): Promise<void>;
}

const poolLimits: PoolLimits = { maxWaiting: 64, maxWaitingPerAddress: 16, maxConnections: 256 };

/** A connection that is silent is asked after this, so that one that broke unseen is noticed. */
const keepAliveDelayMs = 60_000;

/** What holds for connections that are made now. */
interface State {
  readonly settings: RemoteSettings;
  readonly login: Omit<ServerLoginOptions, "delay">;
  readonly limits: SessionLimits;
  readonly certificateExpires: number | undefined;
}

/** Makes it; it listens nowhere before the first `update`. */
export function createRemoteManagement(options: RemoteManagementOptions): RemoteManagement {
  const { logger } = options;
  const clock = options.clock ?? systemClock;
  const pool = createSessionPool(() => ({ ...poolLimits, ...options.limits }), logger);
  const delays = createLoginDelays(clock);
  const unpacking = createSemaphore(1);
  const changing = createSemaphore(1);
  let state: State | undefined;
  let listening: Listening | undefined;
  let closed = false;

  const accept = (socket: Socket): void => {
    if (state === undefined || closed) {
      socket.destroy();
      return;
    }
    const { limits, login, settings } = state;
    socket.setNoDelay(settings.noDelay);
    socket.setKeepAlive(settings.keepAlive, keepAliveDelayMs);
    const context = { ...options, clock, limits, login, delays, unpacking, loginTimeoutMs: settings.loginTimeoutMs };
    pool.admit(socket, (id) => startRemoteConnection(id, socket, context), socket.remoteAddress);
  };
  const failed = (error: Error): void => logger.error(`remote management: ${messageOf(error)}`);
  const open = ({ host, port }: RemoteSettings): Promise<Listening> => listenOn({ host, port, accept, failed });

  const readyState = async (settings: RemoteSettings): Promise<State> => {
    const saltKey = await options.saltKey();
    const material = settings.tls === undefined ? undefined : await loadTlsServer(settings.tls);
    const tls = material === undefined ? undefined : createTlsUpgrade(material, settings.loginTimeoutMs);
    if (material !== undefined && material.validUntil < clock.now()) {
      logger.error("the certificate of remote management has ended: clients that check it will refuse it", { certFile: settings.tls?.certFile });
    }
    return {
      settings,
      certificateExpires: material?.validUntil,
      limits: { requestTimeoutMs: settings.loginTimeoutMs, answerTimeoutMs: settings.answerTimeoutMs, maxRequestBytes },
      login: {
        startTls: tls === undefined ? undefined : (socket) => tls.upgrade(socket),
        channelBinding: tls?.channelBinding,
        tlsRequired: settings.tlsRequired,
        admins: await buildAdminDirectory(settings.admins, saltKey),
        saltKey,
      },
    };
  };
  const off = (): void => {
    listening?.close();
    listening = undefined;
    state = undefined;
  };
  /** The new place is taken before the old one is left, unless the old one is in the way: then `back` takes it again. */
  const takePlace = async (settings: RemoteSettings): Promise<{ readonly place: Listening; readonly back?: () => Promise<Listening> }> => {
    const old = state?.settings;
    if (listening !== undefined && old?.host === settings.host && old.port === settings.port) return { place: listening };
    try {
      return { place: await open(settings) };
    } catch (error) {
      if (!isPortTaken(error) || listening === undefined || old?.port !== settings.port) throw error;
      listening.close();
      const back = (): Promise<Listening> => open(old);
      try {
        return { place: await open(settings), back };
      } catch (again) {
        listening = await back();
        throw again;
      }
    }
  };
  const makeReady = async (settings: RemoteSettings | undefined): Promise<PreparedChange> => {
    const nothing = async (): Promise<void> => undefined;
    if (closed) return { commit: () => undefined, abandon: nothing };
    if (settings === undefined) {
      const commit = (): void => {
        if (listening !== undefined) logger.info("remote management is off");
        off();
      };
      return { commit, abandon: nothing };
    }
    const prepared = await readyState(settings);
    const before = listening;
    const { place, back } = await takePlace(settings);
    return {
      commit() {
        if (before !== place) before?.close();
        listening = place;
        state = prepared;
        if (settings.admins.names.length === 0) logger.warn("remote management has no admins: nobody can log in");
        if (before === place) return;
        for (const { address, port } of place.addresses) {
          logger.info(`remote management listens on ${address}, port ${port}`, { tls: settings.tls === undefined ? "off" : settings.tlsRequired ? "required" : "offered" });
        }
      },
      async abandon() {
        if (before === place) return;
        place.close();
        if (back !== undefined) listening = await back();
      },
    };
  };
  return {
    get addresses() {
      return listening?.addresses ?? [];
    },
    get certificateExpires() {
      return state?.certificateExpires;
    },
    get connections() {
      return pool.size;
    },
    prepare: (settings) => changing.run(() => makeReady(settings)),
    update: (settings) => changing.run(async () => (await makeReady(settings)).commit()),
    async close(force = false) {
      closed = true;
      off();
      await pool.close(force);
    },
  };
}
