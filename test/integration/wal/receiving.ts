/** A receiver in the process of the test, its events, and the comparison of what it stored with the server's own files. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { createLogger } from "../../../src/log/index.ts";
import { formatLsn, parseLsn, type Lsn } from "../../../src/postgres/index.ts";
import { openLocalStorage, type LocalStorage } from "../../../src/storage/index.ts";
import { runReceiver, type ReceiverDependencies, type ReceiverEvent, type ReceiverOptions, type ReceiverState } from "../../../src/wal/index.ts";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";

export interface Receiving {
  readonly base: string;
  readonly wal: string;
  readonly storage: LocalStorage;
  readonly events: readonly ReceiverEvent[];
  /** `level: message` of everything from info on. */
  readonly log: readonly string[];
  readonly state: () => ReceiverState;
  /** The state was entered, since the call before or the start, with an error of this code if one is given. */
  reached(state: ReceiverState, code?: string): Promise<void>;
  of<T extends ReceiverEvent["type"]>(type: T): Extract<ReceiverEvent, { type: T }>[];
  /** Everything up to the position is durable here. */
  flushed(position: Lsn): Promise<void>;
  names(): Promise<string[]>;
  stop(): Promise<void>;
}

export interface ReceivingOptions extends Partial<Omit<ReceiverOptions, "connect">>, Pick<ReceiverDependencies, "calls" | "onWake"> {
  /** Goes on with the repository of an earlier receiver. */
  readonly base?: string;
  readonly connect?: Partial<ReceiverOptions["connect"]>;
}

const running = new Set<Receiving>();

afterEach(async () => {
  for (const receiving of running) await receiving.stop();
});

/** Where and how to reach the server. */
export interface Address {
  readonly connectionOptions: { readonly host: string; readonly port: number; readonly user: string };
}

/** Starts a receiver; it is stopped after the test at the latest. */
export function receive(server: Address, options: ReceivingOptions = {}): Receiving {
  const base = options.base ?? temporaryDirectory({ prefix: "mrec" }).path;
  const events: ReceiverEvent[] = [];
  const log: string[] = [];
  const controller = new AbortController();
  const storage = options.storage ?? openLocalStorage(base);
  const wal = join(base, "primary", "wal");
  let seen = 0;
  const { calls, connect, onWake, ...rest } = options;
  const { host, port, user } = server.connectionOptions;
  const ended = runReceiver(
    {
      server: "primary",
      connect: { host, port, user, tls: { mode: "disable" }, connectTimeoutMs: 30_000, keepAlive: true, noDelay: true, idleTimeoutMs: 60_000, ...connect },
      slot: "moneta",
      createSlot: true,
      longestRetryMs: 500,
      ...rest,
      storage,
    } satisfies ReceiverOptions,
    {
      clock: systemClock,
      logger: createLogger(["test"], "info", ({ level, message }) => log.push(`${level}: ${message}`)),
      signal: controller.signal,
      report: (event) => events.push(event),
      ...(calls === undefined ? {} : { calls }),
      ...(onWake === undefined ? {} : { onWake }),
    },
  );
  // A rejection is a defect; `stop` throws it.
  ended.catch(() => undefined);
  const receiving: Receiving = {
    base,
    wal,
    storage,
    events,
    log,
    state: () => receiving.of("state").at(-1)?.state ?? "disconnected",
    async reached(state, code) {
      await waitFor(
        `the receiver is ${state}${code === undefined ? "" : ` with ${code}`}`,
        () => {
          for (; seen < events.length; seen++) {
            const event = events[seen];
            if (event?.type !== "state" || event.state !== state) continue;
            if (code !== undefined && event.error?.code !== code) continue;
            seen += 1;
            return true;
          }
          return false;
        },
        { seen: () => [...events.filter(({ type }) => type === "state").slice(-6), ...log.slice(-5)] },
      );
    },
    of: <T extends ReceiverEvent["type"]>(type: T) => events.filter((event): event is Extract<ReceiverEvent, { type: T }> => event.type === type),
    async flushed(position) {
      await waitFor(`WAL up to ${formatLsn(position)} is durable`, () => (receiving.of("progress").at(-1)?.flush ?? 0n) >= position, {
        seen: () => [formatLsn(receiving.of("progress").at(-1)?.flush ?? (0n as Lsn)), ...log.slice(-5)],
      });
    },
    names: async () => (existsSync(wal) ? (await readdir(wal)).sort() : []),
    async stop() {
      running.delete(receiving);
      controller.abort();
      await ended;
    },
  };
  running.add(receiving);
  return receiving;
}

export const position = async (cluster: Cluster): Promise<Lsn> => parseLsn(await cluster.value("SELECT pg_current_wal_flush_lsn()"));
export const systemIdentifier = (cluster: Cluster): Promise<string> => cluster.value("SELECT system_identifier FROM pg_control_system()");

/** Writes some WAL, `megabytes` of it, and ends the segment. */
export async function writeWal(cluster: Cluster, megabytes = 1): Promise<void> {
  await cluster.sql("CREATE TABLE IF NOT EXISTS filler (a int, b text)");
  await cluster.sql(`INSERT INTO filler SELECT g, repeat(md5(g::text), 30) FROM generate_series(1, ${megabytes * 1000}) g`);
  await cluster.sql("SELECT pg_switch_wal()");
}

const digest = (data: Buffer): string => createHash("sha256").update(data).digest("hex");

/**
 * Every segment that is stored, complete or not, is byte for byte what the server has under that name. A partial may be
 * shorter. Returns how many complete and how many partial segments were compared; those that the server has no more
 * are not, nor are other timelines when one is given: what a server has of a timeline that it left is its own affair.
 */
export async function expectServersBytes(wal: string, cluster: Cluster, timeline?: number): Promise<{ complete: number; partial: number }> {
  const compared = { complete: 0, partial: 0 };
  for (const name of (await readdir(wal)).sort()) {
    const [segment = "", suffix] = [name.slice(0, 24), name.slice(24)];
    const own = join(cluster.dataDir, "pg_wal", segment);
    if (timeline !== undefined && Number.parseInt(segment.slice(0, 8), 16) !== timeline) continue;
    if (!/^[0-9A-F]{24}$/.test(segment) || (suffix !== "" && suffix !== ".partial") || !existsSync(own)) continue;
    const [ours, theirs] = [await readFile(join(wal, name)), await readFile(own)];
    if (suffix === "") {
      expect(ours.length, name).toBe(theirs.length);
      compared.complete += 1;
    } else {
      compared.partial += 1;
    }
    expect(digest(ours), name).toBe(digest(theirs.subarray(0, ours.length)));
  }
  return compared;
}

/** Names of the complete segments, which follow each other without a hole on each timeline. */
export async function expectNoHole(wal: string, segmentSize = 16 * 1024 * 1024): Promise<string[]> {
  const names = (await readdir(wal)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();
  const perFile = 0x1_0000_0000 / segmentSize;
  const number = (name: string): number => Number.parseInt(name.slice(8, 16), 16) * perFile + Number.parseInt(name.slice(16), 16);
  for (const [i, name] of names.entries()) {
    const next = names[i + 1];
    if (next?.startsWith(name.slice(0, 8)) === true) expect(number(next), `${next} after ${name}`).toBe(number(name) + 1);
  }
  return names;
}
