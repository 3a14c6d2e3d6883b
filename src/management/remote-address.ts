/** Remote management of a daemon, and who asks. */
import type { TlsSettings } from "../auth/index.ts";

export interface RemoteAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly tls: TlsSettings;
}

/** `db1:5001`, `[::1]:5001`. */
export const describeRemote = ({ host, port }: Pick<RemoteAddress, "host" | "port">): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
