/** Joins the scheduler to the rest of the supervisor, and says in the log when a backup is overdue. */
import { timeLimit, type Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { openScheduleRecords } from "../repository/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import type { Core } from "./core.ts";
import { backupOverdue } from "./schedule-problems.ts";
import { obstacleOf, runScheduled, type RunContext } from "./scheduled-runs.ts";
import { startScheduler, type Scheduler } from "./scheduler.ts";
import type { SupervisedServer } from "./server.ts";

export interface SchedulingOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** An alarm that lasts is said again after a day. */
const repeatMs = 86_400_000;

export async function startScheduling(
  core: Core,
  storage: LocalStorage,
  { clock, logger, signal }: SchedulingOptions,
): Promise<Scheduler> {
  const { catalog, jobs, servers } = core;
  const context: RunContext = {
    jobs,
    catalog,
    timeout: (ms) => timeLimit(ms, signal),
    rememberDrills: (server) => core.rememberDrills(server),
  };
  const said = new Map<SupervisedServer, number>();
  const watch = (server: SupervisedServer): void => {
    const problem = backupOverdue(server, catalog.entries(server.name), clock.now());
    const before = said.get(server);
    if (problem === undefined) {
      if (before !== undefined) logger.info(`${server.name} has a backup that is new enough again`);
      said.delete(server);
    } else if (before === undefined || clock.monotonic() - before >= repeatMs) {
      logger.error(`${server.name}: ${problem.message}`, { code: problem.code });
      said.set(server, clock.monotonic());
    }
  };
  return startScheduler<SupervisedServer>({
    servers,
    records: (server) => openScheduleRecords(storage, server),
    clock,
    logger,
    signal,
    obstacle: (kind, server) => obstacleOf(kind, server, context),
    run: (kind, server) => runScheduled(kind, server, context),
    watch,
  });
}
