/** A source server, its receiver and its repository, for the tests of restore: real parts throughout. */
import { join, resolve } from "node:path";
import { expect } from "vitest";
import { backup, type WalDurability } from "../../../src/backup/index.ts";
import { systemClock } from "../../../src/common/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { parseLsn, rootHistory } from "../../../src/postgres/index.ts";
import type { PipelineSpec } from "../../../src/pipeline/index.ts";
import { openDataKeys, openWalCoverage, openWalInventory, type BackupInfo } from "../../../src/repository/index.ts";
import type { MasterKey } from "../../../src/encryption/index.ts";
import { restore, type RestoreOptions, type RestoreResult } from "../../../src/restore/index.ts";
import { openLocalStorage, type LocalStorage } from "../../../src/storage/index.ts";
import { runArchiver, runReceiver } from "../../../src/wal/index.ts";
import { markersIn } from "../../support/marker-table.ts";
import { runOnDirectory, type Cluster, type RunOptions } from "../../support/postgres-cluster.ts";
import { registerResource } from "../../support/resources.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";

const root = resolve(import.meta.dirname, "../../..");
/** The real command line: what PostgreSQL will call. */
export const program = { node: process.execPath, script: join(root, "bin/moneta-cli") };

export const dependencies = (signal: AbortSignal = new AbortController().signal) => ({
  clock: systemClock,
  logger: silentLogger,
  signal,
  progress: () => undefined,
});

export interface Rig {
  readonly cluster: Cluster;
  readonly storage: LocalStorage;
  readonly server: string;
  /** Takes a full backup; compression none and no encryption unless said otherwise. */
  /** `link`: files that did not change since the newest backup become names of what that stored. */
  backup(spec?: Partial<PipelineSpec>, more?: { readonly link?: boolean }): Promise<BackupInfo>;
  /** Waits until everything that the server has written so far is durable in the repository. */
  caughtUp(): Promise<void>;
  /** Waits until the stream is proven up to now. */
  covered(): Promise<void>;
  /** Archives every finished segment in the form of the given specification. */
  archive(spec?: Partial<PipelineSpec>): Promise<number>;
  /** Ends the receiver: what is stored stays as it is. */
  stopReceiver(): Promise<void>;
  options(more?: Partial<RestoreOptions>): RestoreOptions;
  restore(more?: Partial<RestoreOptions>): Promise<RestoreResult>;
}

export interface RigOptions {
  /** A repository that another rig began. */
  readonly storage?: LocalStorage;
  readonly server?: string;
  readonly masterKey?: MasterKey;
  readonly masterKeyFile?: string;
}

export function connectOptions(cluster: Cluster) {
  const { host, port, user } = cluster.connectionOptions;
  return { host, port, user, tls: { mode: "disable" }, connectTimeoutMs: 5000, keepAlive: true, noDelay: true } as const;
}

/** Starts receiving from a running cluster. */
export async function createRig(cluster: Cluster, options: RigOptions = {}): Promise<Rig> {
  const server = options.server ?? "primary";
  const storage = options.storage ?? openLocalStorage(temporaryDirectory({ prefix: "mrepo" }).path);
  const controller = new AbortController();
  let streaming = false;
  let running: Promise<void> | undefined = runReceiver(
    { server, connect: connectOptions(cluster), slot: "moneta", createSlot: true, storage },
    {
      clock: systemClock,
      logger: silentLogger,
      signal: controller.signal,
      report: (event) => {
        if (event.type === "state") streaming = event.state === "streaming";
      },
    },
  );
  const forget = registerResource({ name: "receiver", release: () => stopReceiver(), abandon: () => controller.abort() });
  const segmentSize = Number(await cluster.value("SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'"));
  const inventory = openWalInventory(storage, server, segmentSize);

  async function stopReceiver(): Promise<void> {
    controller.abort();
    await running;
    running = undefined;
    forget();
  }
  async function caughtUp(): Promise<void> {
    const to = parseLsn(await cluster.value("SELECT pg_current_wal_flush_lsn()"));
    const timeline = Number(await cluster.value("SELECT timeline_id FROM pg_control_checkpoint()"));
    await waitFor(`WAL is durable to ${to}`, async () => {
      const end = await inventory.durableEnd(timeline as never);
      return end !== undefined && end.lsn >= to;
    });
  }
  const wal: WalDurability = {
    receiverRunning: () => streaming,
    async waitUntilDurable({ timeline, from, to }) {
      await waitFor("the WAL of the backup is durable", async () => {
        return (await inventory.continuity({ from, to, history: rootHistory(timeline) })).complete;
      });
    },
  };
  const keys = openDataKeys(storage, server, options.masterKey);
  const rig: Rig = {
    cluster,
    storage,
    server,
    async backup(spec, { link = false } = {}) {
      await waitFor("the receiver streams", () => streaming);
      const full: PipelineSpec = { compression: "none", encryption: "none", ...spec };
      const dataKey = full.encryption === "none" ? undefined : await keys.current();
      const taken = await backup(
        { server, connect: connectOptions(cluster), storage, spec: full, dataKey, hash: "sha256", link, workers: 2, maxRateBytes: () => 0, version: "0.1.0" },
        { ...dependencies(), wal },
      );
      return taken.info;
    },
    caughtUp,
    async archive(spec) {
      const full: PipelineSpec = { compression: "zstd", encryption: "none", ...spec };
      const { segments } = await runArchiver(
        { server, storage, spec: full, keys, hash: "sha256", workers: 2, idleMs: 0 },
        { clock: systemClock, logger: silentLogger, signal: new AbortController().signal, onSegment: () => () => undefined, archived: () => undefined },
      );
      return segments;
    },
    async covered() {
      const now = Number(await cluster.value("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"));
      await waitFor("the stream is proven up to now", async () => ((await openWalCoverage(storage, server).read())?.serverTime ?? 0) >= now);
    },
    stopReceiver,
    options: (more) => ({
      storage,
      server,
      backup: "newest",
      position: null,
      directory: temporaryDirectory({ prefix: "mrest", unprivileged: true }).path,
      copyWal: false,
      workers: 2,
      // As a process that begins: what another one has read of the keys, it has not.
      keys: () => openDataKeys(storage, server, options.masterKey).ring(),
      masterKeyFile: options.masterKeyFile,
      program,
      ...more,
    }),
    restore: (more) => restore(rig.options(more), dependencies()),
  };
  return rig;
}

/** Starts PostgreSQL on a restored directory. */
export function startOn(dataDir: string, major: Cluster["major"] = 15, more: Partial<RunOptions> = {}): Promise<Cluster> {
  return runOnDirectory({ major, dataDir, ...more });
}

/** Waits until recovery has ended by promotion. */
export async function promoted(cluster: Cluster): Promise<void> {
  await waitFor("recovery has ended", async () => (await cluster.value("SELECT pg_is_in_recovery()")) === "f", { seen: () => cluster.log() });
}

/** Waits until recovery has stopped at its target. */
/** The markers in what a restore gives, started, promoted and destroyed again. */
export async function rowsOf(rig: Rig, options: Partial<RestoreOptions>): Promise<number[]> {
  const { plan } = await rig.restore(options);
  const cluster = await startOn(plan.directory);
  await promoted(cluster);
  const rows = await markersIn(cluster);
  await cluster.destroy();
  return rows;
}

export async function paused(cluster: Cluster): Promise<void> {
  await waitFor("recovery is paused", async () => (await cluster.value("SELECT pg_is_wal_replay_paused()")) === "t", { seen: () => cluster.log() });
}

/** amcheck's word on every B-tree of the database. */
export async function checkIndexes(cluster: Cluster): Promise<void> {
  await cluster.sql("CREATE EXTENSION IF NOT EXISTS amcheck");
  const [row] = await cluster.sql(
    `SELECT count(bt_index_parent_check(c.oid, true)) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
      WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p'`,
  );
  expect(Number(row?.[0])).toBeGreaterThan(50);
}
