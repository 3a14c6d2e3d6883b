/** What a soak works on: a primary under load, the daemon behind a proxy, and what was promised so far. */
import { mkdirSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { startMarkerLoop, type MarkerLoop } from "../support/marker-table.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { createTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait-for.ts";
import type { Chance } from "./chance.ts";
import { startMixedLoad, type MixedLoad } from "./mixed-load.ts";

export interface SoakWorld {
  readonly cluster: Cluster;
  readonly daemon: Daemon;
  readonly proxy: TcpProxy;
  readonly markers: MarkerLoop;
  readonly load: MixedLoad;
  readonly chance: Chance;
  /** Grows whenever something is struck and when it is healed: odd while something is wrong on purpose. */
  troubles: number;
  /** Label and number of marker rows that were acknowledged when it was complete. */
  readonly backups: Map<string, number>;
  /** Tasks and their numbers, for the report. */
  readonly counts: Map<string, number>;
  readonly wrong: string[];
  /** A directory of its own for one restore. */
  place(): string;
  forgetPlace(path: string): void;
}

export const count = (world: SoakWorld, what: string, by = 1): void => void world.counts.set(what, (world.counts.get(what) ?? 0) + by);

export function note(world: SoakWorld, what: string): void {
  world.wrong.push(what);
  console.error(`WRONG: ${what}`);
}

export async function createSoakWorld(chance: Chance, pauseMs: number): Promise<SoakWorld> {
  const cluster = await createCluster({ walSegmentSize: 1024 * 1024, settings: { wal_keep_size: "20GB", max_wal_size: "300MB", autovacuum: true } });
  const proxy = await createTcpProxy({ path: join(cluster.socketDir, `.s.PGSQL.${cluster.port}`) });
  const daemon = await createDaemon({
    servers: [{ name: "primary", cluster, host: proxy.host, port: proxy.port }],
    settings: { encryption: "none", log_level: "info" },
  });
  await daemon.waitUntilStreaming("primary");
  await cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'moneta_primary'");
  await cluster.reload();
  await waitFor("commits wait for the daemon", async () => (await cluster.value("SELECT sync_state FROM pg_stat_replication")) === "sync");
  const load = await startMixedLoad(cluster, 3, pauseMs);
  const markers = await startMarkerLoop(cluster, { fillerBytes: 100 });
  let places = 0;
  return {
    cluster,
    daemon,
    proxy,
    markers,
    load,
    chance,
    troubles: 0,
    backups: new Map(),
    counts: new Map(),
    wrong: [],
    place() {
      const path = join(daemon.root, `restored-${(places += 1)}`);
      mkdirSync(path, { mode: 0o700 });
      return path;
    },
    forgetPlace: (path) => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** How backups and WAL are stored from the next start of the daemon on. */
export async function storeOtherwise({ daemon, chance }: SoakWorld): Promise<void> {
  const text = await readFile(daemon.configFile, "utf8");
  const compression = chance.oneOf(["none", "gzip", "zstd", "lz4", "bzip2"]);
  const encryption = chance.oneOf(["none", "none", "aes", "aes-192", "aes-128"]);
  await writeFile(daemon.configFile, text.replace(/^compression = .*$/m, `compression = ${compression}`).replace(/^encryption = .*$/m, `encryption = ${encryption}`));
}
