/**
 * A child that must run as long as it is wanted: started again with growing waits when it dies, drained when it is
 * not wanted any more, started only now and then when its error says that trying again is useless. The states are a table in
 * `child-machine.ts`; this file gives them a process and a clock.
 */
import {
  createBackoff,
  createStateMachine,
  errorFromRecord,
  toMonetaError,
  type Clock,
  type ErrorRecord,
  type MonetaError,
} from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { childTable, type ChildEvent, type ChildState } from "./child-machine.ts";
import { describeEnd, type ProcessEnd } from "./child-process.ts";
import { supervisorErrors } from "./errors.ts";

/** One running process as the keeper sees it. */
export interface KeptProcess {
  readonly pid: number | undefined;
  /** Asks it to finish and end. */
  drain(): void;
  kill(): void;
}

/** What a process tells its keeper; `ended` comes exactly once and last. */
export interface KeptEvents {
  running(): void;
  failed(error: ErrorRecord): void;
  ended(end: ProcessEnd): void;
}

export interface ChildOptions {
  readonly name: string;
  readonly spawn: (events: KeptEvents) => KeptProcess;
  readonly onState: (state: ChildState, error: MonetaError | undefined) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long draining may take before the process is killed, milliseconds. */
  readonly drainTimeoutMs: number;
  /** A process that ran this long was healthy: the next wait is the first one again. */
  readonly healthyMs?: number;
  readonly firstWaitMs?: number;
  readonly maxWaitMs?: number;
  /** The wait after an error that no new attempt can mend by itself. */
  readonly failedWaitMs?: number;
}

export interface Child {
  readonly state: ChildState;
  readonly pid: number | undefined;
  readonly restarts: number;
  start(): void;
  /** Resolves when no process is left. */
  drain(): Promise<void>;
  /** Ends the process at once; it is started again unless it drains. */
  kill(): void;
}

export function createChild(options: ChildOptions): Child {
  const { clock, logger } = options;
  const backoff = createBackoff({
    firstMs: options.firstWaitMs ?? 200,
    factor: 2,
    maxMs: options.maxWaitMs ?? 30_000,
    jitter: 0.2,
  });
  let process: KeptProcess | undefined;
  let lastError: MonetaError | undefined;
  let startedAt = 0;
  let restarts = 0;
  let startAgain = false;
  let wait = new AbortController();
  let drainLimit = new AbortController();
  let whenGone: (() => void)[] = [];

  const machine = createStateMachine<ChildState, ChildEvent>(childTable, "stopped", (from, event, to) => {
    if (from === to) return;
    logger.debug(`${options.name}: ${from} → ${to}`, { event });
    options.onState(to, lastError);
  });

  const settle = (): void => {
    if (process !== undefined) return;
    const waiting = whenGone;
    whenGone = [];
    for (const resolve of waiting) resolve();
  };
  const spawn = (): void => {
    startedAt = clock.monotonic();
    let failure: MonetaError | undefined;
    try {
      process = options.spawn({
        running: () => {
          lastError = undefined;
          machine.handle("running");
        },
        failed: (error) => {
          failure = errorFromRecord(error);
        },
        ended: (end) => ended(end, failure),
      });
    } catch (error) {
      ended({ code: null, signal: null, error: toMonetaError(error) }, undefined);
    }
  };
  const ended = (end: ProcessEnd, failure: MonetaError | undefined): void => {
    process = undefined;
    drainLimit.abort();
    const draining = machine.state === "draining";
    const clean = draining && end.code === 0;
    lastError = clean
      ? undefined
      : (failure ?? end.error ?? supervisorErrors.childLost(`${options.name} ended with ${describeEnd(end)}`));
    if (lastError !== undefined) {
      logger[draining ? "warn" : "error"](`${options.name} ended: ${lastError.message}`, {
        code: lastError.code,
        end: describeEnd(end),
      });
    }
    if (clock.monotonic() - startedAt >= (options.healthyMs ?? 10_000)) backoff.reset();
    // Only the child itself can know that trying again is useless; a killed or crashed one is soon tried again.
    machine.handle(failure !== undefined && !failure.retryable && !draining ? "refused" : "ended");
    settle();
    if (machine.state === "backoff") waitAndStart(backoff.next());
    if (machine.state === "failed") waitAndStart(options.failedWaitMs ?? 300_000);
    if (machine.state === "stopped" && startAgain) child.start();
  };
  const waitAndStart = (ms: number): void => {
    wait = new AbortController();
    logger.info(`${options.name} is started again in ${ms} ms`, { attempt: backoff.attempts });
    clock.sleep(ms, wait.signal).then(
      () => {
        restarts += 1;
        machine.handle("waited");
        spawn();
      },
      () => undefined, // Whoever ended the wait has already decided what comes next.
    );
  };

  const child: Child = {
    get state() {
      return machine.state;
    },
    get pid() {
      return process?.pid;
    },
    get restarts() {
      return restarts;
    },
    start() {
      if (machine.state === "draining") {
        startAgain = true;
        return;
      }
      startAgain = false;
      const idle = process === undefined;
      wait.abort();
      machine.handle("start");
      if (idle) spawn();
    },
    drain() {
      startAgain = false;
      wait.abort();
      const first = machine.state !== "draining";
      machine.handle("drain");
      const gone = new Promise<void>((resolve) => {
        whenGone.push(resolve);
      });
      const own = process;
      if (own !== undefined && first) {
        own.drain();
        drainLimit = new AbortController();
        clock.sleep(options.drainTimeoutMs, drainLimit.signal).then(
          () => {
            logger.warn(`${options.name} did not end within ${options.drainTimeoutMs} ms and is killed`);
            own.kill();
          },
          () => undefined, // It ended in time.
        );
      }
      settle();
      return gone;
    },
    kill() {
      process?.kill();
    },
  };
  return child;
}
