import type { ConnectOptions } from "../../../src/replication/index.ts";
import type { Cluster } from "../../support/postgres-cluster.ts";

/** How to connect to a cluster of a test: over its Unix socket, as the superuser, for replication. */
export function connectOptions(cluster: Cluster, extra: Partial<ConnectOptions> = {}): ConnectOptions {
  return {
    host: cluster.socketDir,
    port: cluster.port,
    user: "postgres",
    replication: true,
    applicationName: "moneta_test",
    tls: { mode: "disable" },
    connectTimeoutMs: 30_000,
    keepAlive: true,
    noDelay: true,
    idleTimeoutMs: 60_000,
    ...extra,
  };
}
