/** A clock that stands still, a silent logger and a process that does what the test says. */
import type { Clock } from "../../../src/common/index.ts";
import type { FromJob, ToJob } from "../../../src/ipc/index.ts";
import { createLogger, type LogRecord } from "../../../src/log/index.ts";
import type { ProcessEnd, RunningProcess } from "../../../src/supervisor/child-process.ts";
import type { JobContext } from "../../../src/supervisor/job.ts";

export interface ManualClock extends Clock {
  readonly advance: (ms: number) => Promise<void>;
  /** Waits that were asked for, milliseconds. */
  readonly asked: readonly number[];
}

/** Lets everything run that is ready to. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function createManualClock(): ManualClock {
  let time = 0;
  let sleepers: { at: number; wake: () => void }[] = [];
  const asked: number[] = [];
  return {
    asked,
    now: () => time,
    monotonic: () => time,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(new Error("aborted"));
          return;
        }
        asked.push(ms);
        const sleeper = { at: time + ms, wake: resolve };
        sleepers.push(sleeper);
        signal?.addEventListener("abort", () => {
          sleepers = sleepers.filter((other) => other !== sleeper);
          reject(new Error("aborted"));
        });
      }),
    advance: async (ms) => {
      time += ms;
      const due = sleepers.filter((sleeper) => sleeper.at <= time);
      sleepers = sleepers.filter((sleeper) => sleeper.at > time);
      for (const sleeper of due) sleeper.wake();
      await settled();
    },
  };
}

export function createRecordingLogger() {
  const records: LogRecord[] = [];
  return { logger: createLogger([], "trace", (record) => records.push(record)), records };
}

/** What the job's process says and how it ends is up to the test. */
export interface StandInProcess {
  readonly told: ToJob[];
  readonly say: (message: FromJob) => void;
  readonly end: (end: Partial<ProcessEnd>) => void;
  killed: number;
}

export function createSpawner() {
  const processes: StandInProcess[] = [];
  const spawn: JobContext["spawn"] = (_job, onMessage, onEnd) => {
    const told: ToJob[] = [];
    const own: StandInProcess = {
      told,
      killed: 0,
      say: onMessage,
      end: (end) => onEnd({ code: null, signal: null, error: undefined, ...end }),
    };
    processes.push(own);
    const running: RunningProcess<ToJob> = {
      pid: 1000 + processes.length,
      channel: {
        open: true,
        send: async (message) => void told.push(message),
        offer: (message) => told.push(message) > 0,
        flush: () => Promise.resolve(),
        close: () => undefined,
      },
      kill() {
        own.killed += 1;
        own.end({ signal: "SIGKILL" });
      },
    };
    return running;
  };
  return { spawn, processes };
}
