/** Moneta as an operator has it: the built daemon with its command line, one configuration for each contender. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { buildRequest, compressionCodes, encryptionCodes, sendRequest } from "../../../src/management/index.ts";
import { createDaemon } from "../../support/daemon.ts";
import type { Daemon } from "../../support/daemon.ts";
import type { Cluster, Settings } from "../../support/postgres-cluster.ts";
import { waitFor } from "../../support/wait-for.ts";
import { processTable, treeOf } from "../measure/index.ts";
import type { ProcessStat } from "../measure/index.ts";
import { bytesBelow } from "./disk.ts";

export interface Moneta {
  readonly daemon: Daemon;
  /** Starts it and waits until it streams and has nothing left to do; its archiver may stay for a minute, in case of more. */
  readonly start: () => Promise<void>;
  /** Starts it and waits for nothing, for when the start itself is measured. */
  readonly launch: () => Promise<void>;
  /** After launch: until it answers. */
  readonly untilPing: () => Promise<void>;
  /** Until it does nothing any more: all finished segments are archived. */
  readonly untilIdle: () => Promise<void>;
  /** Until nothing but the receivers is there: a minute after the archiver had its last segment. */
  readonly untilAlone: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly backup: () => Promise<void>;
  /** The directory of the newest backup. */
  readonly newest: () => string;
  /** Bytes of the newest backup as they lie on the disk, metadata included. */
  readonly storedBytes: () => Promise<number>;
  readonly restore: (directory: string, ...flags: string[]) => Promise<void>;
  /** Ends it and takes its slots from the servers. */
  readonly destroy: () => Promise<void>;
}

export interface MonetaOptions {
  readonly cluster: Cluster;
  readonly settings?: Settings;
  /** How many servers the configuration has; all are the same cluster. Default 1. */
  readonly servers?: number;
  /** A slot that exists; otherwise the daemon creates its own. */
  readonly slot?: string;
  /** More environment of the daemon. */
  readonly env?: Readonly<Record<string, string>>;
  /** Directory for processor profiles of its processes. */
  readonly profile?: string | undefined;
}

let made = 0;

/** A daemon that is ready but not started. */
export async function prepareMoneta({ cluster, settings, servers = 1, slot, env, profile }: MonetaOptions): Promise<Moneta> {
  made += 1;
  const sections = Array.from({ length: servers }, (_, index) => {
    const name = index === 0 ? "primary" : `primary${index + 1}`;
    // Over TCP, as the peers.
    return { name, cluster, host: "127.0.0.1", slot: slot ?? `bench_${made}_${index}` };
  });
  const daemon = await createDaemon({
    servers: sections,
    settings: { workers: 2, log_level: "info", ...settings },
    start: false,
    env: { ...env, ...(profile === undefined ? {} : profiling(profile)) },
  });
  const backups = join(daemon.baseDir, "primary", "backup");
  const newest = (): string => {
    const label = readdirSync(backups).filter((name) => /^\d{14}$/.test(name)).sort().at(-1);
    if (label === undefined) throw new Error(`there is no backup in ${backups}`);
    return join(backups, label);
  };
  return {
    daemon,
    async start() {
      await daemon.start();
      for (const { name } of sections) await daemon.waitUntilStreaming(name);
      await waitUntilIdle(daemon);
    },
    launch: () => daemon.launch(),
    untilPing: () => untilPing(join(daemon.socketDir, ".s.pgmoneta")),
    untilIdle: () => waitUntilIdle(daemon),
    untilAlone: () => waitUntilAlone(daemon, servers),
    async stop() {
      await daemon.stop();
    },
    async backup() {
      await daemon.ask(["backup", "primary"]);
    },
    newest,
    storedBytes: () => bytesBelow(newest()),
    async restore(directory, ...flags) {
      await daemon.ask(["restore", ...flags, "primary", "newest", directory]);
    },
    async destroy() {
      await daemon.stop();
      for (const { slot } of sections) {
        await cluster.sql(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${slot}' AND NOT active`);
      }
      await daemon.destroy();
    },
  };
}

function profiling(directory: string): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--import=${join(import.meta.dirname, "profile-preload.mjs")}`, NODE_BENCH_PROFILES: directory };
}

/** Asks without a process of its own: the time of the command line is not the daemon's. */
async function untilPing(socketPath: string): Promise<void> {
  const clear = { compression: compressionCodes.none, encryption: encryptionCodes.none };
  await waitFor(
    "the daemon answers ping",
    async () => {
      const request = buildRequest("ping", {}, { output: "json", ...clear, now: Date.now() });
      const answer = await sendRequest({ socketPath }, request, { compression: "none", encryption: "none" });
      return answer.outcome.status;
    },
    { everyMs: 3 },
  );
}

/** Its processes are the same for a while and took no processor time, but for what a sign of life costs. */
async function waitUntilIdle(daemon: Daemon): Promise<void> {
  const CALM = 10;
  let calm = 0;
  let before: ProcessStat[] = [];
  await waitFor(
    "the daemon has nothing to do",
    () => {
      const pid = daemon.pid();
      const now = treeOf(pid === undefined ? [] : [pid], processTable());
      const same = now.length === before.length && now.every((one) => before.some((other) => other.pid === one.pid && one.own - other.own < 0.015));
      calm = same ? calm + 1 : 0;
      before = now;
      return calm >= CALM;
    },
    { everyMs: 50, deadlineMs: 300_000, seen: () => daemon.log().slice(-2000) },
  );
}

/** Nothing but the receivers runs, and that not only between two jobs. */
async function waitUntilAlone(daemon: Daemon, receivers: number): Promise<void> {
  let calm = 0;
  await waitFor(
    "only receivers are left of the daemon",
    () => {
      calm = daemon.children().length === receivers ? calm + 1 : 0;
      return calm >= 8;
    },
    { everyMs: 50, deadlineMs: 300_000, seen: () => daemon.log().slice(-2000) },
  );
}
