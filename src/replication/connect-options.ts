import type { TlsSettings } from "../auth/index.ts";
import type { ServerNotice } from "./control-message.ts";

/** Where and as whom to connect. */
export interface ConnectOptions {
  /** Name or address; a leading `/` makes it the directory of the server's Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Asked for only when the server wants a password. */
  readonly password?: () => Promise<string | undefined>;
  /** For an SQL connection; PostgreSQL's default is a database named as the user. */
  readonly database?: string;
  /** True for a walsender (physical replication), false for SQL. */
  readonly replication: boolean;
  /** Must be the slot's name where the stream is a synchronous standby. */
  readonly applicationName: string;
  /** Not used over a Unix socket, where PostgreSQL has no TLS. */
  readonly tls: TlsSettings;
  /** From the first packet to the server's "ready". */
  readonly connectTimeoutMs: number;
  /** TCP keep-alive; Linux finds a dead peer some 70 s after the last byte then. */
  readonly keepAlive: boolean;
  readonly noDelay: boolean;
  /** An answer or stream that brings no byte for so long is given up with SERVER_SILENT; absent or 0: never. */
  readonly idleTimeoutMs?: number;
  /** Warnings and notices of the server, as they come. */
  readonly onNotice?: (notice: ServerNotice) => void;
  /** Size of the one buffer that is read into; 256 KiB by default. */
  readonly readBufferBytes?: number;
}
