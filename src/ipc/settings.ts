/** What the supervisor tells a child at its start about the server and the repository, compiled from the configuration. */
import { count, dictionary, flag, list, number, object, oneOf, optional, text, type Check } from "./check.ts";

export interface TlsSettings {
  readonly mode: "disable" | "prefer" | "require" | "verify-full";
  readonly caFile?: string;
  readonly crlFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** How to reach the PostgreSQL server. Times are milliseconds. */
export interface ConnectionSettings {
  /** A leading "/" is the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly applicationName: string;
  readonly tls: TlsSettings;
  readonly connectTimeoutMs: number;
  readonly authenticationTimeoutMs: number;
  readonly keepAlive: boolean;
  readonly noDelay: boolean;
  /** Where a password is looked up when the users file has none. */
  readonly passFile: string;
}

export interface ServerSettings {
  readonly name: string;
  readonly connection: ConnectionSettings;
  readonly slot: string;
  readonly createSlot: boolean;
  /** Silence after which a replication connection is taken for dead. */
  readonly receiverTimeoutMs: number;
  /** Longest time between two standby status updates. */
  readonly statusIntervalMs: number;
  /** Files of its host that are stored with a backup. */
  readonly extra?: readonly string[];
  /** Programs of the operator by the name of their hook, and how long one may take. */
  readonly hooks?: Readonly<Record<string, string>>;
  readonly hookTimeoutMs?: number;
}

/** Where and in which form the files of one server are stored. */
export interface RepositorySettings {
  readonly baseDir: string;
  /** Id of the repository in it: nothing is made there while another one, or none, is found. */
  readonly id?: string;
  readonly compression: "none" | "gzip" | "zstd" | "lz4" | "bzip2";
  readonly compressionLevel: number;
  /** Who compresses a base backup on its way here. */
  readonly compressionSide: "client" | "server";
  readonly encryption: "none" | "aes-256-gcm" | "aes-192-gcm" | "aes-128-gcm";
  readonly hash: "sha256" | "sha512";
  /** Whether files that did not change since the previous backup are linked to it. */
  readonly link: boolean;
  /** `wal_shipping`: root of the second copy of the WAL. */
  readonly secondCopy?: string;
  /** Memory for data in flight of one job, bytes. */
  readonly memoryBytes: number;
  /** Where a restored server finds the master key, if it needs one. */
  readonly masterKeyFile: string;
  /** Where it finds the configuration; absent when the file has a name of its own. */
  readonly configDirectory?: string;
}

/** Travels by message only: never in an argument, never in the environment, never in a log. */
export interface Secrets {
  /** Password of the server's user from the users file. */
  readonly password?: string;
  /** Master key material, base64. */
  readonly masterKey?: string;
}

const tlsSettings = object<TlsSettings>({
  mode: oneOf("disable", "prefer", "require", "verify-full"),
  caFile: optional(text),
  crlFile: optional(text),
  certFile: optional(text),
  keyFile: optional(text),
});

const connectionSettings = object<ConnectionSettings>({
  host: text,
  port: count,
  user: text,
  applicationName: text,
  tls: tlsSettings,
  connectTimeoutMs: count,
  authenticationTimeoutMs: count,
  keepAlive: flag,
  noDelay: flag,
  passFile: text,
});

export const serverSettings: Check<ServerSettings> = object<ServerSettings>({
  name: text,
  connection: connectionSettings,
  slot: text,
  createSlot: flag,
  receiverTimeoutMs: count,
  statusIntervalMs: count,
  extra: optional(list(text)),
  hooks: optional(dictionary(text)),
  hookTimeoutMs: optional(count),
});

export const repositorySettings: Check<RepositorySettings> = object<RepositorySettings>({
  baseDir: text,
  id: optional(text),
  compression: oneOf("none", "gzip", "zstd", "lz4", "bzip2"),
  compressionLevel: number,
  compressionSide: oneOf("client", "server"),
  encryption: oneOf("none", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm"),
  hash: oneOf("sha256", "sha512"),
  link: flag,
  secondCopy: optional(text),
  memoryBytes: count,
  masterKeyFile: text,
  configDirectory: optional(text),
});

export const secrets: Check<Secrets> = object<Secrets>({ password: optional(text), masterKey: optional(text) });
