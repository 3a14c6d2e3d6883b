/** Compiled values that are more than a number, a text or a truth value. */

/** How files are compressed, and on which side for the base backup. */
export interface CompressionChoice {
  readonly method: "none" | "gzip" | "zstd" | "lz4" | "bzip2";
  /** `server`: BASE_BACKUP is asked to compress (PostgreSQL 15 and later). WAL is always compressed here. */
  readonly where: "client" | "server";
}

export type EncryptionChoice = "none" | "aes-256-gcm" | "aes-192-gcm" | "aes-128-gcm";

export type StorageEngine = "local" | "ssh" | "s3" | "azure";

/** `retention = D, W, M, Y`; a field that is not set is undefined. */
export interface CalendarChoice {
  readonly kind: "calendar";
  readonly days: number | undefined;
  readonly weeks: number | undefined;
  readonly months: number | undefined;
  readonly years: number | undefined;
}

/** What is kept of the backups: by calendar, a recovery window (`window:14d`), or a number of copies (`count:7`). */
export type RetentionChoice =
  | CalendarChoice
  | { readonly kind: "window"; readonly seconds: number }
  | { readonly kind: "count"; readonly copies: number };

/** A tablespace, by its name, its OID or its path on the server, and the directory that it has in a copy. */
export interface TablespaceChoice {
  readonly tablespace: string;
  readonly directory: string;
}

/**
 * `disable`: clear text; `prefer`: TLS if the server offers it, unverified; `require`: TLS or nothing, unverified;
 * `verify-full`: TLS with the chain and the host name checked.
 */
export type TlsMode = "disable" | "prefer" | "require" | "verify-full";
