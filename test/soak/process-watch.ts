/** Memory and descriptors of every process of the daemon over time, and how far its WAL stands behind the primary's. */
import { readFileSync, readdirSync } from "node:fs";
import type { Daemon } from "../support/daemon.ts";
import type { Cluster } from "../support/postgres-cluster.ts";
import { commandLine } from "../system/daemon-observation.ts";

export interface Figures {
  readonly rssMiB: number;
  readonly pssMiB: number;
  readonly descriptors: number;
}

export interface KindOfProcess {
  readonly kind: string;
  processes: number;
  /** Of the first process of the kind, and of the last, when each was seen for the first and the last time. */
  readonly first: Figures;
  last: Figures;
  peak: Figures;
  /** The greatest growth between the first and the last look at one and the same process that lived a minute or more. */
  growthMiB: number;
}

export interface ProcessWatch {
  readonly kinds: () => readonly KindOfProcess[];
  readonly biggestLagBytes: () => number;
  /** The longest that no WAL sender served the daemon, milliseconds. */
  readonly longestOutageMs: () => number;
  stop(): Promise<void>;
}

/** Milliseconds: how long no WAL sender is worth a line beside the troubles, among which its cause is looked for. */
const worthTelling = 8000;

/** Stopped before the primary is thrown away: what comes after would count as an outage. */
export function watchProcesses(daemon: Daemon, cluster: Cluster, everyMs = 2000): ProcessWatch {
  const kinds = new Map<string, KindOfProcess>();
  const lives = new Map<number, { readonly since: number; readonly first: number; kind: string }>();
  let lag = 0;
  let outage = 0;
  let served = performance.now();
  let stopping = false;

  function look(pid: number): void {
    const figures = figuresOf(pid);
    const kind = kindOf(pid);
    if (figures === undefined || kind === undefined) return;
    const known = kinds.get(kind) ?? { kind, processes: 0, first: figures, last: figures, peak: figures, growthMiB: 0 };
    kinds.set(kind, known);
    let life = lives.get(pid);
    if (life?.kind !== kind) {
      life = { since: performance.now(), first: figures.rssMiB, kind };
      lives.set(pid, life);
      known.processes += 1;
    }
    known.last = figures;
    known.peak = {
      rssMiB: Math.max(known.peak.rssMiB, figures.rssMiB),
      pssMiB: Math.max(known.peak.pssMiB, figures.pssMiB),
      descriptors: Math.max(known.peak.descriptors, figures.descriptors),
    };
    if (performance.now() - life.since > 60_000) known.growthMiB = Math.max(known.growthMiB, figures.rssMiB - life.first);
  }

  async function measureLag(): Promise<void> {
    const rows = await cluster.sql("SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), coalesce(flush_lsn, sent_lsn)) FROM pg_stat_replication WHERE application_name = 'moneta_primary'").catch(() => []);
    const without = performance.now() - served;
    outage = Math.max(outage, without);
    if (rows.length > 0) {
      served = performance.now();
      if (without > worthTelling) console.error(`${new Date().toISOString()} the daemon had no WAL sender for ${Math.round(without / 1000)} s`);
    }
    for (const [bytes] of rows) lag = Math.max(lag, Number(bytes));
  }

  async function loop(): Promise<void> {
    while (!stopping) {
      const supervisor = daemon.pid();
      if (supervisor !== undefined) for (const pid of [supervisor, ...daemon.children()]) look(pid);
      await measureLag();
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }
  const ended = loop();
  return {
    kinds: () => [...kinds.values()].sort((a, b) => (a.kind < b.kind ? -1 : 1)),
    biggestLagBytes: () => lag,
    longestOutageMs: () => Math.round(outage),
    async stop() {
      stopping = true;
      await ended;
    },
  };
}

/** What a process is by its title; undefined for what is none of the daemon's, or still nameless. */
function kindOf(pid: number): string | undefined {
  try {
    return /^moneta: (supervisor|receiver|job \d+ [a-z-]+)/.exec(commandLine(pid))?.[1]?.replace(/ \d+ /, " ");
  } catch {
    // It has just ended.
    return undefined;
  }
}

function figuresOf(pid: number): Figures | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const mebibytes = (name: string): number => Math.round(Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? 0) / 102.4) / 10;
    return { rssMiB: mebibytes("Rss"), pssMiB: mebibytes("Pss"), descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return undefined;
  }
}
