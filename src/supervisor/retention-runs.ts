/**
 * When retention runs: every `retention_interval` for each server, online or not, and only where something is due. What
 * is due is found in memory, so that a server whose backups all stay costs no process. A run leaves alone what other jobs
 * use; what is due and used is looked at again when one of them ends. It never stands in a line: it begins at once or later.
 */
import { createNap, messageOf, type Clock, type Nap } from "../common/index.ts";
import type { JobRequest, RepositoryUse } from "../ipc/index.ts";
import type { Logger } from "../log/index.ts";
import { lsn, parseLsn, timelineId } from "../postgres/index.ts";
import { failedDrills, type CatalogEntry, type WalRange } from "../repository/index.ts";
import { planRetention, unneededWal, type RetentionPlan, type ServerLine } from "../retention/index.ts";
import { repositoryUse } from "./backups-in-use.ts";
import type { CatalogCache } from "./catalog-cache.ts";
import type { Jobs } from "./jobs.ts";
import { mustWaitFor } from "./locks.ts";
import type { SupervisedServer } from "./server.ts";
import { retentionPolicyOf } from "./settings.ts";
import { historyOf } from "./timelines.ts";
import type { StoredStretch } from "./wal-ledger.ts";

export interface RetentionRunsOptions {
  readonly servers: readonly SupervisedServer[];
  readonly jobs: Jobs;
  readonly catalog: CatalogCache;
  readonly clock: Clock;
  readonly logger: Logger;
  /** At the moment. */
  readonly intervalMs: () => number;
}

export interface RetentionRuns {
  /** Looks at all servers again and again until the signal fires. */
  start(signal: AbortSignal): void;
  /** The interval is another one: the next look is so long from now. */
  rearm(): void;
  /** When it looks again, milliseconds since 1970; before the start the first time after it. */
  readonly next: number;
  /** A job of the server has ended, or uses less than before: what waited for that is due now. */
  lessInUse(server: SupervisedServer): void;
}

/** WAL that may go but is too young to: looked at again after so long, milliseconds. */
const fruitlessPauseMs = 3_600_000;
/** Of a server that was never reached. */
const defaultSegmentSize = 16 * 1024 * 1024;

/** The request of a run, by hand or by itself. */
export function retentionRequest(
  server: SupervisedServer,
  inUse: RepositoryUse,
  command: "retention" | "retention-plan",
): JobRequest {
  const policy = retentionPolicyOf(server.options);
  const { timeline } = server.state();
  return {
    command,
    policy:
      policy.kind === "calendar"
        ? { ...policy, weeks: policy.weeks ?? null, months: policy.months ?? null, years: policy.years ?? null }
        : policy,
    minimum: server.options.retentionMinimum,
    inUse,
    timeline: timeline > 0 ? timeline : null,
  };
}

export function createRetentionRuns(options: RetentionRunsOptions): RetentionRuns {
  const { servers, jobs, catalog, clock, logger, intervalMs } = options;
  /** Servers whose run waits for other jobs, or left something because of them. */
  const waiting = new Set<SupervisedServer>();
  /** Of WAL that was looked at in vain: what it was, and when. */
  const inVain = new Map<SupervisedServer, { readonly surplus: string; readonly at: number }>();
  let stopped: AbortSignal | undefined;
  let next = clock.now() + intervalMs();
  let nap: Nap | undefined;

  async function look(server: SupervisedServer): Promise<void> {
    // Of a server that is not in the configuration any more nothing is removed.
    if (stopped?.aborted !== false || jobs.stopping || !servers.includes(server)) return;
    const active = jobs.active(server.name);
    if (active.some(({ command }) => command === "retention")) return;
    const run = { command: "retention", backups: "all" } as const;
    if (active.some((job) => mustWaitFor(run, job, true))) {
      waiting.add(server);
      return;
    }
    const entries = await catalog.refresh(server.name);
    // Between the question and the answer somebody may have asked for something.
    if (stopped.aborted || jobs.stopping) return;
    const use = repositoryUse(jobs.active(server.name), entries);
    const plan = planFor(server, entries, use);
    const due = planFor(server, entries);
    if (use.all || plan.some(({ keep }, index) => keep && due[index]?.keep === false)) waiting.add(server);
    else waiting.delete(server);
    if (use.all) return;
    const surplus = surplusOf(server, plan, use);
    if (plan.every(({ keep }) => keep) && !isNews(server, surplus)) return;
    inVain.set(server, { surplus, at: clock.monotonic() });
    jobs.submit(server.name, retentionRequest(server, use, "retention"));
  }

  function planFor(server: SupervisedServer, entries: readonly CatalogEntry[], use?: RepositoryUse): RetentionPlan {
    return planRetention(entries, retentionPolicyOf(server.options), clock.now(), {
      minimum: server.options.retentionMinimum,
      inUse: new Set(use?.backups),
      doubtful: failedDrills(server.drills),
      line: lineOf(server),
    });
  }

  function isNews(server: SupervisedServer, surplus: string): boolean {
    const before = inVain.get(server);
    if (surplus === "") return false;
    return before?.surplus !== surplus || clock.monotonic() - before.at >= fruitlessPauseMs;
  }

  function lookQuietly(server: SupervisedServer): void {
    look(server).catch((error: unknown) => {
      logger.error(
        `whether something of ${server.name} is not to be kept any more cannot be seen: ${messageOf(error)}`,
      );
    });
  }

  function again(): void {
    next = clock.now() + intervalMs();
    nap?.sleep(intervalMs()).then(
      (end) => {
        if (end === "elapsed") for (const server of servers) lookQuietly(server);
        again();
      },
      () => undefined, // The daemon stops.
    );
  }

  return {
    start(signal) {
      stopped = signal;
      nap = createNap(clock, signal);
      again();
    },
    rearm() {
      nap?.wake();
    },
    get next() {
      return next;
    },
    lessInUse(server) {
      if (waiting.has(server)) lookQuietly(server);
    },
  };
}

/** Where the server is, as far as memory knows; a run reads it from the files. */
function lineOf({ lineages: { present }, timelines, provenTimeline, state }: SupervisedServer): ServerLine | undefined {
  const { timeline } = state();
  const history = historyOf(timeline > 0 ? timeline : (provenTimeline ?? 0), timelines);
  return present === undefined || history === undefined ? undefined : { systemIdentifier: present, timeline: history.timeline, history };
}

/** The stored WAL that nothing needs, as far as memory knows, in a word that tells it from another such. */
function surplusOf({ lineages, wal, state }: SupervisedServer, plan: RetentionPlan, use: RepositoryUse): string {
  const { walSegmentSize, timeline } = state();
  const { former, present } = lineages;
  const staying = plan.filter(({ keep, entry: { info } }) => keep && (present === undefined || info?.own === undefined || info.own.systemIdentifier === present));
  const stored = extents(wal.stretches);
  const unneeded = unneededWal({
    kept: staying.flatMap(({ entry }) => entry.info ?? []),
    recovery: staying.flatMap(({ entry, recovery }) => (recovery && entry.info !== undefined ? [entry.info] : [])),
    stored,
    inUse: use.wal.map(({ timeline: own, from }) => ({ timeline: timelineId(own), from: parseLsn(from) })),
    // Timelines above those of the backups are left to a run that has another reason.
    histories: new Map(),
    live: stored.find((range) => range.timeline === timeline)?.timeline,
    segmentSize: walSegmentSize > 0 ? walSegmentSize : defaultSegmentSize,
  });
  // Of an earlier cluster without any backup; a run knows better.
  const idle = [...former.keys()].filter((id) => !plan.some(({ keep, entry: { info } }) => keep && (info?.own === undefined || info.own.systemIdentifier === id)));
  const surplus = wal.stretches
    .filter((stretch) =>
      unneeded.some(
        (range) => range.timeline === stretch.timeline && range.from < stretch.end && range.to > stretch.start,
      ),
    )
    .map((stretch) => `${stretch.timeline}/${stretch.start}`);
  return [...idle, ...surplus].join();
}

function extents(stretches: readonly StoredStretch[]): WalRange[] {
  const found = new Map<number, WalRange>();
  for (const { timeline, start, end } of stretches) {
    const known = found.get(timeline);
    const from = known === undefined || start < known.from ? start : known.from;
    found.set(timeline, { timeline, from: lsn(from), to: known === undefined || end > known.to ? end : known.to });
  }
  return [...found.values()];
}
