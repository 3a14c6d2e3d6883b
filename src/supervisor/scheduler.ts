/**
 * Starts backups and drills at their times. What is due is decided by the pure function of `schedule`; here it is
 * carried out, recorded, and said. The clock is looked at again every half minute, so that one that is set is noticed.
 */
import { createNap, messageOf, type Clock } from "../common/index.ts";
import type { ServerOptions } from "../config/index.ts";
import type { Logger } from "../log/index.ts";
import {
  scheduledKinds,
  type ScheduledKind,
  type ScheduledRun,
  type ScheduleRecord,
  type ScheduleRecords,
} from "../repository/index.ts";
import { planRuns, type DueRun, type Schedule } from "../schedule/index.ts";

/** A server as far as it concerns what runs by itself. */
export interface ScheduledServer {
  readonly name: string;
  readonly options: Pick<
    ServerOptions,
    "backup" | "drill" | "scheduleTimezone" | "scheduleJitter" | "scheduleBlackout" | "scheduleMissed"
  >;
  /** What was run and skipped so far. */
  schedules: Partial<Record<ScheduledKind, ScheduleRecord>>;
}

export interface SchedulerOptions<Server extends ScheduledServer> {
  readonly servers: readonly Server[];
  readonly records: (server: string) => ScheduleRecords;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the scheduler. */
  readonly signal: AbortSignal;
  /** Why this cannot be run now, in words that complete "it is skipped: …"; undefined when it can. */
  readonly obstacle: (kind: ScheduledKind, server: Server) => Promise<string | undefined>;
  /** Runs it to its end. Never rejects. */
  readonly run: (kind: ScheduledKind, server: Server) => Promise<Pick<ScheduledRun, "outcome" | "message">>;
  /** Looks at what has grown too old. */
  readonly watch?: (server: Server) => void;
}

export interface Scheduler {
  /** Servers or schedules are others than before: what is due is found out anew. Resolves when it is recorded. */
  update(): Promise<void>;
}

const longestSleepMs = 30_000;
/** A clock that is set back while the scheduler sleeps must not have it spin. */
const shortestSleepMs = 20;

/** The schedule of one kind; undefined when there is none. */
export function scheduleOf(
  kind: ScheduledKind,
  { name, options }: Pick<ScheduledServer, "name" | "options">,
): Schedule | undefined {
  const cron = options[kind];
  if (cron === undefined) return undefined;
  return {
    cron,
    zone: options.scheduleTimezone,
    jitterMs: options.scheduleJitter * 1000,
    blackouts: options.scheduleBlackout,
    missed: options.scheduleMissed,
    seed: `${name} ${kind}`,
  };
}

/** Reads what was recorded, then runs until `signal` fires. Resolves when the records are read. */
export async function startScheduler<Server extends ScheduledServer>(options: SchedulerOptions<Server>): Promise<Scheduler> {
  const { clock, logger, servers, signal } = options;
  /** Servers whose records were read. */
  const known = new WeakSet<Server>();
  const nap = createNap(clock, signal);
  const writing = new Map<string, Promise<void>>();

  const record = (server: Server, kind: ScheduledKind, value: ScheduleRecord): Promise<void> => {
    server.schedules = { ...server.schedules, [kind]: value };
    const before = writing.get(server.name) ?? Promise.resolve();
    const written = before.then(async () => {
      try {
        await options.records(server.name).write(server.schedules);
      } catch (error) {
        // What is due runs all the same; only a restart would not know of it.
        logger.error(`the schedule of ${server.name} cannot be recorded: ${messageOf(error)}`);
      }
    });
    writing.set(server.name, written);
    return written;
  };

  const skip = (server: Server, kind: ScheduledKind, due: DueRun, reason: string): Promise<void> => {
    logger.warn(
      `the ${kind} of ${server.name} that was due at ${new Date(due.moment).toISOString()} is skipped: ${reason}`,
      { server: server.name },
    );
    return record(server, kind, { ...entryOf(server, kind), skipped: { moment: due.moment, at: clock.now(), reason } });
  };

  const carryOut = async (server: Server, kind: ScheduledKind, due: DueRun): Promise<void> => {
    if (due.skip !== undefined) return skip(server, kind, due, reasons[due.skip]);
    const reason = await options.obstacle(kind, server);
    if (signal.aborted) return;
    if (reason !== undefined) return skip(server, kind, due, reason);
    if (due.late)
      logger.warn(
        `the ${kind} of ${server.name} that was due at ${new Date(due.moment).toISOString()} was missed and is made now`,
      );
    const started = clock.now();
    const begun: ScheduledRun = { moment: due.moment, started, outcome: "running", ended: null, message: null };
    // On disk before it begins: whoever starts after a crash knows that it was not finished.
    await record(server, kind, { ...entryOf(server, kind), last: begun });
    const { outcome, message } = await options.run(kind, server);
    // Cancelled by the end of the daemon: the next one makes it, as it would after a crash.
    if (signal.aborted && outcome !== "succeeded") return;
    const { skipped, ...known } = entryOf(server, kind);
    await record(server, kind, {
      ...known,
      skipped: outcome === "succeeded" ? null : skipped,
      last: { ...begun, outcome, message, ended: clock.now() },
    });
  };

  /** Starts what is due; the time of the next run. */
  const tend = (server: Server, kind: ScheduledKind): number | undefined => {
    const schedule = scheduleOf(kind, server);
    if (schedule === undefined) return undefined;
    const now = clock.now();
    const entry = entryOf(server, kind);
    const { due, handledUntil, next } = planRuns(schedule, entry.handledUntil, now);
    if (handledUntil < entry.handledUntil) {
      logger.warn(`the clock was set back by hours: the ${kind} of ${server.name} goes by the new time`, {
        server: server.name,
      });
    }
    if (due !== undefined) {
      server.schedules = { ...server.schedules, [kind]: { ...entry, handledUntil: due.moment } };
      void carryOut(server, kind, due).catch((error: unknown) => {
        logger.error(`the scheduled ${kind} of ${server.name} failed: ${messageOf(error)}`);
      });
    } else if (handledUntil !== entry.handledUntil) void record(server, kind, { ...entry, handledUntil });
    return next?.at;
  };

  const tick = (): void => {
    const times = servers.flatMap((server) => {
      options.watch?.(server);
      return scheduledKinds.flatMap((kind) => tend(server, kind) ?? []);
    });
    const next = Math.min(...times) - clock.now();
    nap.sleep(Math.min(longestSleepMs, Math.max(shortestSleepMs, next))).then(tick, () => undefined); // The end.
  };

  for (const server of servers) {
    await prepare(server, options, record);
    known.add(server);
  }
  tick();
  return {
    async update() {
      for (const server of [...servers]) {
        if (!known.has(server)) await prepare(server, options, record);
        else for (const kind of scheduledKinds) await adjust(server, kind, options, record);
        known.add(server);
      }
      nap.wake();
    },
  };
}

/** Another schedule than the one that was recorded begins now: nothing of it was missed before it was one. What runs goes on. */
async function adjust<Server extends ScheduledServer>(
  server: Server,
  kind: ScheduledKind,
  { clock }: SchedulerOptions<Server>,
  record: (server: Server, kind: ScheduledKind, value: ScheduleRecord) => Promise<void>,
): Promise<void> {
  const expression = expressionOf(kind, server);
  const before = server.schedules[kind];
  if ((before?.expression ?? "") === expression) return;
  const now = clock.now();
  await record(server, kind, { expression, since: now, handledUntil: now, last: before?.last ?? null, skipped: null });
}

/** What tells one schedule from another; empty for none. */
function expressionOf(kind: ScheduledKind, server: Pick<ScheduledServer, "name" | "options">): string {
  const schedule = scheduleOf(kind, server);
  return schedule === undefined ? "" : `${schedule.cron} ${schedule.zone}`;
}

const reasons: Readonly<Record<NonNullable<DueRun["skip"]>, string>> = {
  missed: "its time passed while nothing could be started, and schedule_missed is skip",
  blackout: "it would begin in a blackout window",
};

function entryOf(server: ScheduledServer, kind: ScheduledKind): ScheduleRecord {
  return server.schedules[kind] ?? { expression: "", since: 0, handledUntil: 0, last: null, skipped: null };
}

/** What an earlier daemon recorded, as far as it is of the same schedule. */
async function prepare<Server extends ScheduledServer>(
  server: Server,
  { clock, logger, records }: SchedulerOptions<Server>,
  record: (server: Server, kind: ScheduledKind, value: ScheduleRecord) => Promise<void>,
): Promise<void> {
  let known: Partial<Record<ScheduledKind, ScheduleRecord>> = {};
  try {
    known = await records(server.name).read();
  } catch (error) {
    logger.error(
      `what was recorded of the schedule of ${server.name} cannot be read, it begins anew: ${messageOf(error)}`,
    );
  }
  for (const kind of scheduledKinds) {
    const schedule = scheduleOf(kind, server);
    const expression = expressionOf(kind, server);
    const entry = known[kind];
    // Without a schedule nothing is recorded, but that there is none any more.
    if (schedule === undefined && (entry === undefined || entry.expression === "")) continue;
    if (schedule !== undefined && entry?.expression === expression) await record(server, kind, resumed(entry, schedule));
    else {
      const now = clock.now();
      // Another schedule: nothing of it was missed before it was one.
      await record(server, kind, {
        expression,
        since: now,
        handledUntil: now,
        last: settled(entry?.last ?? null),
        skipped: null,
      });
    }
  }
}

const lost = "the daemon ended before it was over";

function settled(last: ScheduledRun | null): ScheduledRun | null {
  return last?.outcome === "running" ? { ...last, outcome: "failed", message: lost } : last;
}

/** A run that its daemon did not see the end of was missed. */
function resumed(entry: ScheduleRecord, { missed }: Schedule): ScheduleRecord {
  if (entry.last?.outcome !== "running") return entry;
  const again = missed === "run" ? { handledUntil: Math.min(entry.handledUntil, entry.last.moment - 1) } : {};
  return { ...entry, ...again, last: settled(entry.last) };
}
