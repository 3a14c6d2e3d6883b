/** Room on the file systems that matter, asked for at intervals, remembered, and looked at for what it leads to. */
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { createSemaphore, messageOf, roomAt, type Clock, type Room } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { ProblemSummary } from "../management/index.ts";
import { supervisorErrors } from "./errors.ts";
import { createGrowth, type Growth } from "./growth.ts";

export interface Space {
  /** Bytes. */
  readonly total: number;
  /** Bytes that an unprivileged account may still write. */
  readonly free: number;
}

export interface SpaceMonitor {
  /** As last asked; zeros before the first answer and for a path that cannot be asked about. */
  of(path: string): Space;
  /** In how many milliseconds the file system of `path` is full at the present rate. */
  fullInMs(path: string): number | undefined;
  /** What disappears of the free bytes there in an hour. */
  bytesPerHour(path: string): number | undefined;
  /** Whether it is known that it does not fill up within a day where no problem says so; false after a start. */
  forecasts(path: string): boolean;
  /** What an operator should know of the file systems of `paths`, each once. */
  problems(paths: readonly string[]): ProblemSummary[];
  /** Asks now; resolves when all have answered but those that still owe an earlier answer. */
  refresh(): Promise<void>;
}

/** What the system says of a path: its room, and which file system it is on. */
export interface RoomReport {
  readonly device: number;
  readonly room: Room;
}

export interface SpaceMonitorOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** Default: the system is asked. */
  readonly ask?: (path: string) => Promise<RoomReport>;
}

/** Hung storage keeps a thread of the pool for each question: no more than so many of its four. */
const questionsAtOnce = 2;

async function deviceOf(path: string): Promise<number> {
  try {
    return (await stat(path)).dev;
  } catch (error) {
    // What is made when it is needed will lie on the file system of the directory above.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(path) === path) throw error;
    return deviceOf(dirname(path));
  }
}

async function askSystem(path: string): Promise<RoomReport> {
  return { device: await deviceOf(path), room: await roomAt(path) };
}

/** Asks for all `paths`, which may be others each time, every `intervalMs` until `signal` fires. */
export function createSpaceMonitor(paths: () => readonly string[], options: SpaceMonitorOptions): SpaceMonitor {
  const { clock, intervalMs, logger, signal, ask = askSystem } = options;
  const known = new Map<string, RoomReport>();
  const growths = new Map<number, Growth>();
  /** Questions without an answer, and since when. */
  const open = new Map<string, number>();
  const silent = new Set<string>();
  const questions = createSemaphore(questionsAtOnce);

  const look = async (path: string, noted: Set<number>): Promise<void> => {
    open.set(path, clock.monotonic());
    try {
      const report = await questions.run(() => ask(path));
      known.set(path, report);
      if (silent.delete(path)) logger.info(`the file system of "${path}" answers again`, { path });
      // Many paths of one file system are one observation.
      if (noted.has(report.device)) return;
      noted.add(report.device);
      const growth = growths.get(report.device) ?? createGrowth(path, logger);
      growths.set(report.device, growth);
      growth.note(report.room, clock.monotonic());
    } catch (error) {
      known.delete(path);
      logger.warn(`the free space of "${path}" cannot be found out: ${messageOf(error)}`);
    } finally {
      open.delete(path);
    }
  };
  const refresh = async (): Promise<void> => {
    for (const [path, since] of open) {
      if (silent.has(path) || clock.monotonic() - since < intervalMs) continue;
      silent.add(path);
      logger.error(`the file system of "${path}" does not answer`, { path });
    }
    const noted = new Set<number>();
    const asked = [...new Set(paths())].filter((path) => !open.has(path));
    await Promise.all(asked.map((path) => look(path, noted)));
  };
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(intervalMs, signal);
      void refresh();
    }
  };
  loop().catch(() => undefined); // Only the signal ends the sleep: the daemon stops.

  const growthOf = (path: string): Growth | undefined => growths.get(known.get(path)?.device ?? Number.NaN);
  const outlookOf = (path: string): Growth["outlook"] => growthOf(path)?.outlook;
  return {
    of(path) {
      const { total, free } = known.get(path)?.room ?? { total: 0, free: 0 };
      return { total, free };
    },
    fullInMs: (path) => outlookOf(path)?.fullInMs,
    bytesPerHour: (path) => growthOf(path)?.bytesPerHour,
    forecasts: (path) => growthOf(path)?.forecasts === true,
    problems(of) {
      const found = new Map<string, ProblemSummary>();
      for (const path of of) {
        if (silent.has(path)) {
          const message = `the file system of "${path}" does not answer`;
          found.set(message, { code: supervisorErrors.storageSilent.spec.code, hint: supervisorErrors.storageSilent.spec.hint, message });
        }
        const outlook = outlookOf(path);
        if (outlook === undefined) continue;
        const { code, hint } = supervisorErrors.spaceForecast.spec;
        found.set(outlook.message, { code, hint, message: outlook.message });
      }
      return [...found.values()];
    },
    refresh,
  };
}
