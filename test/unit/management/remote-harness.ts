/** A listener of remote management with a few admins, for tests. */
import { createConnection, type Socket } from "node:net";
import { roleNamed } from "../../../src/auth/index.ts";
import type { Clock } from "../../../src/common/index.ts";
import { systemClock } from "../../../src/common/index.ts";
import type { Logger } from "../../../src/log/index.ts";
import {
  buildRequest,
  createRemoteManagement,
  guardHandler,
  pingResponse,
  sendRequest,
  type CommandName,
  type ManagementHandler,
  type ManagementResponse,
  type Principal,
  type RemoteAddress,
  type RemoteManagement,
  type RemoteSettings,
} from "../../../src/management/index.ts";

export const passwords = { alice: "an admin's password", olga: "pässword of an operator", vera: "viewer's password" } as const;
const rolesOf = { alice: "admin", olga: "operator", vera: "viewer" } as const;
export type Name = keyof typeof passwords;

export const admins: RemoteSettings["admins"] = {
  names: Object.keys(passwords),
  get: (name) => (Object.hasOwn(passwords, name) ? passwords[name as Name] : undefined),
  role: (name) => (Object.hasOwn(rolesOf, name) ? roleNamed(rolesOf[name as Name]) : undefined),
};

/** Lines of the log, most recent last. */
export interface Lines {
  readonly logger: Logger;
  readonly text: () => string;
}

export function collectLines(): Lines {
  const lines: string[] = [];
  const at =
    (level: string) =>
    (message: string, fields: object = {}): void =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { fatal: at("fatal"), error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug"), trace: at("trace"), child: () => logger };
  return { logger, text: () => lines.join("\n") };
}

export interface RemoteDaemon extends Lines {
  readonly remote: RemoteManagement;
  readonly audit: Lines;
  readonly asked: { readonly command: CommandName; readonly principal: Principal }[];
  readonly settings: (more?: Partial<RemoteSettings>) => RemoteSettings;
  readonly port: () => number;
  readonly address: (user: string, password: string, more?: Partial<RemoteAddress>) => RemoteAddress;
  readonly ask: (command: CommandName, address: RemoteAddress, fields?: Record<string, string | boolean>) => Promise<ManagementResponse>;
  readonly connect: () => Promise<Socket & { ended: boolean }>;
  readonly close: () => Promise<void>;
}

export const saltKey = Buffer.alloc(32, 9);

/** Listens on a free port of 127.0.0.1. */
export async function startRemote(
  more: Partial<RemoteSettings> = {},
  { clock = systemClock, limits, handle }: { readonly clock?: Clock; readonly limits?: object; readonly handle?: ManagementHandler } = {},
): Promise<RemoteDaemon> {
  const lines = collectLines();
  const audit = collectLines();
  const asked: RemoteDaemon["asked"] = [];
  const sockets: Socket[] = [];
  const answer: ManagementHandler = (request, session) => {
    asked.push({ command: request.command, principal: session.principal });
    return handle === undefined ? Promise.resolve({ status: true, response: pingResponse("test") }) : handle(request, session);
  };
  const remote = createRemoteManagement({
    handle: guardHandler(answer, audit.logger),
    masterKeys: () => Promise.resolve([]),
    saltKey: () => Promise.resolve(saltKey),
    logger: lines.logger,
    clock,
    ...(limits === undefined ? {} : { limits }),
  });
  const settings = (changed: Partial<RemoteSettings> = {}): RemoteSettings => ({
    host: "127.0.0.1",
    port: 0,
    tls: undefined,
    tlsRequired: false,
    admins,
    loginTimeoutMs: 60_000,
    answerTimeoutMs: 60_000,
    keepAlive: true,
    noDelay: true,
    ...more,
    ...changed,
  });
  await remote.update(settings());
  const port = (): number => remote.addresses[0]?.port ?? 0;
  return {
    ...lines,
    audit,
    remote,
    asked,
    settings,
    port,
    address: (user, password, changed = {}) => ({ host: "127.0.0.1", port: port(), user, password, tls: { mode: "disable" }, ...changed }),
    ask: (command, address, fields = {}) =>
      sendRequest({ remote: address }, buildRequest(command, fields, { output: "raw", compression: 0, encryption: 0, now: 0 }), {
        compression: "none",
        encryption: "none",
        connectTimeoutMs: 60_000,
        answerTimeoutMs: 60_000,
      }),
    async connect() {
      const socket = Object.assign(createConnection({ host: "127.0.0.1", port: port(), allowHalfOpen: true }), { ended: false });
      sockets.push(socket);
      socket.on("close", () => (socket.ended = true));
      socket.on("end", () => (socket.ended = true));
      socket.on("error", () => undefined);
      await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
      return socket;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await remote.close(true);
    },
  };
}
