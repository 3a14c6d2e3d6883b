/** How a job connects to its server; the password comes from the users file, else from the pass file. */
import { readPassFile, type ConnectOptions } from "../replication/index.ts";
import type { JobEnvironment } from "./job.ts";

export function connectOptions({
  server,
  secrets,
}: JobEnvironment): Omit<ConnectOptions, "replication" | "applicationName"> {
  const { host, port, user, tls, keepAlive, noDelay, passFile } = server.connection;
  const { connectTimeoutMs, authenticationTimeoutMs } = server.connection;
  return {
    host,
    port,
    user,
    tls,
    keepAlive,
    noDelay,
    password: async () => secrets.password ?? (await readPassFile(passFile, host, port, "replication", user)),
    connectTimeoutMs: connectTimeoutMs + authenticationTimeoutMs,
  };
}
