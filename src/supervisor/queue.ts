/**
 * Who runs and who waits: one line per server, first come first served, with locks that belong to running jobs.
 * A job gets its turn when it may run beside everything of its server that runs and everything that came before it
 * and still waits; so nobody is overtaken for ever. Pure bookkeeping: it starts nothing itself.
 */
import type { JobCommand } from "../state/index.ts";
import { mustWaitFor, type Holder } from "./locks.ts";

export interface QueuedJob extends Holder {
  readonly id: number;
  readonly server: string;
}

export interface JobQueue<Job extends QueuedJob> {
  /** Puts a job into its line; it is dispatched at once when nothing stands in its way. */
  add(job: Job): void;
  /** The job ended, or never will run: its lock and its place are free. Unknown jobs are ignored. */
  release(job: Job): void;
  /** A job works with fewer backups than before: whoever waited for that gets his turn. */
  look(): void;
  /** Jobs that must end, or let go of a backup, before this one gets its turn, running ones first; empty for one that runs. */
  blockers(job: Job): readonly Job[];
  /** As long as it is held no job of the server is dispatched for which `which` holds. Returns how to let go. */
  hold(server: string, which: (command: JobCommand) => boolean): () => void;
  /** Stops dispatching: what waits stays waiting until it is released. */
  close(): void;
  readonly running: readonly Job[];
  readonly waiting: readonly Job[];
}

export function createJobQueue<Job extends QueuedJob>(dispatch: (job: Job) => void): JobQueue<Job> {
  const running: Job[] = [];
  const waiting: Job[] = [];
  const holds = new Set<(job: Job) => boolean>();
  let closed = false;

  const blockers = (job: Job): Job[] => {
    const place = waiting.indexOf(job);
    if (place < 0) return [];
    const inTheWay = (runs: boolean) => (other: Job) => other.server === job.server && mustWaitFor(job, other, runs);
    return [...running.filter(inTheWay(true)), ...waiting.slice(0, place).filter(inTheWay(false))];
  };
  const serve = (): void => {
    for (const job of [...waiting]) {
      // A dispatch may release or add jobs: look again each time.
      if (closed || !waiting.includes(job) || blockers(job).length > 0) continue;
      if ([...holds].some((held) => held(job))) continue;
      waiting.splice(waiting.indexOf(job), 1);
      running.push(job);
      dispatch(job);
    }
  };
  return {
    add(job) {
      waiting.push(job);
      serve();
    },
    release(job) {
      for (const list of [running, waiting]) {
        const place = list.indexOf(job);
        if (place >= 0) list.splice(place, 1);
      }
      serve();
    },
    look: serve,
    blockers,
    hold(server, which) {
      const held = (job: Job): boolean => job.server === server && which(job.command);
      holds.add(held);
      return () => {
        holds.delete(held);
        serve();
      };
    },
    close() {
      closed = true;
    },
    running,
    waiting,
  };
}
