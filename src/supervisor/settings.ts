/** From the configuration of an operator to the settings of a child: seconds become milliseconds, secrets are added. */
import { parse } from "node:path";
import type { Configuration, MainOptions, ServerOptions } from "../config/index.ts";
import { hookNames, type HookName } from "../hooks/index.ts";
import type { MasterKey } from "../encryption/index.ts";
import type { LiveSettings, RepositorySettings, Secrets, ServerSettings, TlsSettings } from "../ipc/index.ts";
import type { LogSinkOptions } from "../log/index.ts";
import type { ManagementLimits } from "../management/index.ts";
import type { RetentionPolicy } from "../retention/index.ts";
import type { Delta } from "../state/index.ts";
import { supervisorErrors } from "./errors.ts";

/** Undefined values stay out: the messages have no place for them. */
function present<T extends object>(values: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

/** The word among those that the option table allows; the table's types say no more than "text". */
function oneOf<Word extends string>(value: string, ...words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === value);
  if (word === undefined) throw supervisorErrors.options(`"${value}" is none of ${words.join(", ")}`);
  return word;
}

/** The choices of the log, as the sink wants them. */
export function logWords(main: MainOptions): Pick<LogSinkOptions, "logType" | "logMode" | "logFormat"> {
  return {
    logType: oneOf(main.logType, "console", "file", "syslog"),
    logMode: oneOf(main.logMode, "append", "create"),
    logFormat: oneOf(main.logFormat, "text", "json"),
  };
}

/** The longest wait that a timer knows (2^31 - 1 ms, 25 days): stands for "no limit". */
const forEverMs = 2_147_483_647;

/** How long a client of the management socket may take. */
export function managementLimits(main: MainOptions): Pick<ManagementLimits, "requestTimeoutMs" | "answerTimeoutMs"> {
  return {
    requestTimeoutMs: main.authenticationTimeout * 1000,
    answerTimeoutMs: main.blockingTimeout === 0 ? forEverMs : main.blockingTimeout * 1000,
  };
}

/** The programs of a server that run around what is done, by the name of their hook. */
function hooksOf(server: ServerOptions): Pick<ServerSettings, "hooks" | "hookTimeoutMs"> {
  const programs: Readonly<Record<HookName, string | undefined>> = {
    before_backup: server.hookBeforeBackup,
    after_backup: server.hookAfterBackup,
    before_restore: server.hookBeforeRestore,
    after_restore: server.hookAfterRestore,
    before_delete: server.hookBeforeDelete,
    after_delete: server.hookAfterDelete,
    before_wal_archive: server.hookBeforeWalArchive,
    after_wal_archive: server.hookAfterWalArchive,
  };
  const hooks = Object.fromEntries(hookNames.flatMap((name) => (programs[name] === undefined ? [] : [[name, programs[name]] as const])));
  return Object.keys(hooks).length === 0 ? {} : { hooks, hookTimeoutMs: server.hookTimeout * 1000 };
}

export function serverSettings({ main }: Configuration, server: ServerOptions): ServerSettings {
  return {
    name: server.name,
    slot: server.walSlot,
    createSlot: server.createSlot,
    receiverTimeoutMs: main.receiverTimeout * 1000,
    statusIntervalMs: main.receiverStatusInterval * 1000,
    ...(server.extra === undefined ? {} : { extra: server.extra }),
    ...hooksOf(server),
    connection: {
      host: server.host,
      port: server.port,
      user: server.user,
      // Synchronous replication knows a standby by its application name: the slot's name, as documented.
      applicationName: server.walSlot,
      tls: present<TlsSettings>({
        mode: server.tlsMode,
        caFile: server.tlsCaFile,
        crlFile: server.tlsCrlFile,
        certFile: server.tlsCertFile,
        keyFile: server.tlsKeyFile,
      }),
      connectTimeoutMs: main.connectTimeout * 1000,
      authenticationTimeoutMs: main.authenticationTimeout * 1000,
      keepAlive: main.keepAlive,
      noDelay: main.nodelay,
      passFile: main.passFile,
    },
  };
}

export function repositorySettings({ main, files }: Configuration, server: ServerOptions, id: string | undefined): RepositorySettings {
  const { dir, base } = parse(files.main);
  return {
    baseDir: main.baseDir,
    ...(id === undefined ? {} : { id }),
    compression: server.compression.method,
    compressionSide: server.compression.where,
    compressionLevel: server.compressionLevel,
    encryption: server.encryption,
    hash: oneOf(main.hashAlgorithm, "sha256", "sha512"),
    link: main.link,
    ...(server.walShipping === undefined ? {} : { secondCopy: server.walShipping }),
    memoryBytes: main.jobMemory,
    masterKeyFile: main.masterKeyFile,
    ...(base === "pgmoneta.conf" ? { configDirectory: dir } : {}),
  };
}

export function secretsFor({ users }: Configuration, server: ServerOptions, masterKey: MasterKey | undefined): Secrets {
  return present<Secrets>({
    password: users.get(server.user),
    masterKey: masterKey?.material.toString("base64"),
  });
}

/** The retention of a server, as the operation takes it. */
export function retentionPolicyOf({ retention }: Pick<ServerOptions, "retention">): RetentionPolicy {
  if (retention.kind !== "calendar") return retention;
  // The configuration is refused without days.
  return { ...retention, days: retention.days ?? 1 };
}

/** What may change while children run, in the form in which it travels. */
export function liveSettings(
  { main }: Configuration,
  server: ServerOptions,
  online: boolean,
  generation: number,
): LiveSettings {
  const configuration: Delta = { generation, logLevel: main.logLevel, workers: main.workers, maxRate: main.maxRate };
  return { configuration, server: { online, workers: server.workers, maxRate: server.maxRate } };
}
