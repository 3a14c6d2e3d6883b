/**
 * The ordered end: no new work, jobs out, receivers say goodbye, then everything that was opened is closed. It is bounded:
 * what does not end is killed, and what hangs in the system and cannot be killed is left behind.
 */
import { messageOf, type Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { Converter } from "./converter.ts";
import type { Jobs } from "./jobs.ts";
import type { SupervisedServer } from "./server.ts";

export interface ShutdownParts {
  readonly servers: readonly SupervisedServer[];
  /** Servers that are not in the configuration any more, and of which something still runs. */
  readonly retiring?: () => readonly SupervisedServer[];
  readonly jobs: Jobs;
  /** Of files that belong to no server. */
  readonly converter: Pick<Converter, "drain" | "kill">;
  /** Stops listening; resolves when every request that runs is answered. */
  readonly closeManagement: (force: boolean) => Promise<void>;
  /** Resolves when it is on disk that no job is left. */
  readonly jobsWritten: () => Promise<void>;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface Shutdown {
  /** Begins the end, once; resolves with whether everything ended by itself. */
  begin(reason: string): Promise<boolean>;
  /** Ends what still runs at once. */
  force(reason: string): void;
  readonly begun: boolean;
}

/** Receivers and cancelled jobs have shorter limits of their own; a deletion that is cut off here is finished at the next start. */
const ORDERLY_MS = 60_000;
/** After a SIGKILL only a process that waits in the kernel, for storage that hangs, is still there. */
const KILLED_MS = 10_000;

export function createShutdown(parts: ShutdownParts): Shutdown {
  const { clock, jobs, logger } = parts;
  const servers = (): readonly SupervisedServer[] => [...parts.servers, ...(parts.retiring?.() ?? [])];
  let running: Promise<boolean> | undefined;
  let forced = false;

  async function end(reason: string): Promise<boolean> {
    logger.info(`stopping: ${reason}`);
    for (const server of servers()) {
      server.archiver.stop();
      server.secondCopy?.stop();
      server.hotStandby?.stop();
    }
    // Requests that wait for a job are answered by its end, so the listener and the jobs go down together; receivers
    // are independent of both.
    const results = await Promise.allSettled([
      parts.closeManagement(false),
      jobs.drain("the daemon stops"),
      parts.converter.drain("the daemon stops"),
      ...servers().map((server) => server.receiver.child.drain()),
    ]);
    for (const result of results) {
      if (result.status === "rejected")
        logger.error(`a part of the daemon did not stop as it should: ${messageOf(result.reason)}`);
    }
    await parts.jobsWritten();
    return !forced && results.every((result) => result.status === "fulfilled");
  }
  const force = (reason: string): void => {
    forced = true;
    logger.warn(`stopping at once: ${reason}`);
    jobs.kill();
    parts.converter.kill();
    for (const server of servers()) server.receiver.child.kill();
    parts
      .closeManagement(true)
      .catch((error: unknown) => logger.error(`the management listener did not close: ${messageOf(error)}`));
  };
  const processes = (): number[] =>
    servers().flatMap(({ name, receiver }) => [receiver.child.pid, ...jobs.active(name).map((job) => job.pid)]).filter((pid) => pid !== undefined);

  async function giveUp(over: AbortSignal): Promise<boolean> {
    await clock.sleep(ORDERLY_MS, over);
    force(`not everything has ended within ${ORDERLY_MS / 1000} s`);
    await clock.sleep(KILLED_MS, over);
    const pids = processes();
    logger.error(
      `processes that cannot be killed are left behind: ${pids.join(", ")}; they wait for storage that does not answer, and no other daemon gets this repository before they are gone`,
      { pids: pids.join(", ") },
    );
    return false;
  }

  /** Whichever comes first. */
  async function endInTime(reason: string): Promise<boolean> {
    const over = new AbortController();
    const givenUp = giveUp(over.signal);
    givenUp.catch(() => undefined); // It ended in time.
    try {
      return await Promise.race([end(reason), givenUp]);
    } finally {
      over.abort();
    }
  }
  return {
    begin(reason) {
      running ??= endInTime(reason);
      return running;
    },
    force,
    get begun() {
      return running !== undefined;
    },
  };
}
