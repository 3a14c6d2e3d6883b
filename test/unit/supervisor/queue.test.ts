import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JobCommand } from "../../../src/state/index.ts";
import { accessOf, mayRunTogether, needsBackups, takesAway, type Backups } from "../../../src/supervisor/locks.ts";
import { createJobQueue, type QueuedJob } from "../../../src/supervisor/queue.ts";

const commands = Object.keys(accessOf) as JobCommand[];
const older: Backups = new Set(["20261120090136"]);
const newer: Backups = new Set(["20261121090136"]);

/** What of `backups` is in `other`, which is how a job becomes less in the way while it runs. */
const smaller = (backups: Backups, other: Backups): Backups =>
  backups === "all" ? other : new Set([...backups].filter((label) => other === "all" || other.has(label)));

function shareBackups(a: Backups, b: Backups): boolean {
  const [one, two] = [a === "all" ? [...older, ...newer] : [...a], b === "all" ? new Set([...older, ...newer]) : b];
  return one.some((label) => two.has(label));
}

type TestJob = { -readonly [Key in keyof QueuedJob]: QueuedJob[Key] };

function setUp(onDispatch: (job: TestJob) => void = () => undefined) {
  const dispatched: number[] = [];
  const queue = createJobQueue<TestJob>((job) => {
    dispatched.push(job.id);
    onDispatch(job);
  });
  let id = 0;
  const add = (command: JobCommand, server = "primary", backups: Backups = "all"): TestJob => {
    id += 1;
    const job = { id, server, command, backups };
    queue.add(job);
    return job;
  };
  return { queue, add, dispatched };
}

describe("the job queue", () => {
  it("lets the second backup of a server wait, names what it waits for, and starts it when that ends", () => {
    const { queue, add, dispatched } = setUp();
    const first = add("backup");
    const second = add("backup");
    expect(dispatched).toEqual([1]);
    expect(queue.blockers(second)).toEqual([first]);
    expect(queue.blockers(first)).toEqual([]);
    queue.release(first);
    expect(dispatched).toEqual([1, 2]);
  });

  it("runs different servers, and jobs that do not touch each other, side by side", () => {
    const { add, dispatched } = setUp();
    add("backup");
    add("backup", "other");
    add("restore");
    add("archive-wal");
    expect(dispatched).toEqual([1, 2, 3, 4]);
  });

  it("lets nobody overtake a job that waits for the same thing", () => {
    const { queue, add, dispatched } = setUp();
    const restore = add("restore", "primary", older);
    const removal = add("delete", "primary", older);
    const later = add("restore", "primary", older);
    expect(dispatched).toEqual([1]);
    expect(queue.blockers(later)).toEqual([removal]);
    queue.release(restore);
    expect(dispatched).toEqual([1, 2]);
    queue.release(removal);
    expect(dispatched).toEqual([1, 2, 3]);
  });

  it("forgets a job that is cancelled while it waits, and serves those behind it", () => {
    const { queue, add, dispatched } = setUp();
    add("restore", "primary", older);
    const removal = add("delete", "primary", older);
    add("restore", "primary", older);
    queue.release(removal);
    expect(dispatched).toEqual([1, 3]);
    expect(queue.waiting).toEqual([]);
  });

  it("starts nothing any more once it is closed", () => {
    const { queue, add, dispatched } = setUp();
    const first = add("backup");
    add("backup");
    queue.close();
    queue.release(first);
    add("restore");
    expect(dispatched).toEqual([1]);
    expect(queue.waiting).toHaveLength(2);
  });

  it("lets retention begin beside whoever reads, and nobody begin to read before it has decided", () => {
    const { queue, add, dispatched } = setUp();
    add("restore", "primary", older);
    add("backup");
    const retention = add("retention");
    const late = [add("restore", "primary", newer), add("verify"), add("retention-plan", "primary", new Set())];
    expect(dispatched).toEqual([1, 2, 3, 6]);
    expect(late.map((job) => queue.blockers(job))).toEqual([[retention], [retention], []]);
    retention.backups = new Set();
    queue.look();
    expect(dispatched).toEqual([1, 2, 3, 6, 4, 5]);
  });

  it("does not have a backup wait for a deletion that waits itself", () => {
    const { queue, add, dispatched } = setUp();
    add("restore", "primary", older);
    const removal = add("delete", "primary", older);
    const backup = add("backup");
    expect(dispatched).toEqual([1, 3]);
    expect(queue.blockers(removal).map(({ id }) => id)).toEqual([1, 3]);
    backup.backups = newer;
    queue.look();
    expect(queue.blockers(removal).map(({ id }) => id)).toEqual([1]);
  });

  it("never lets two jobs run of which one harms the other, and gets every job done", () => {
    const labels = fc.constantFrom<Backups>("all", older, newer);
    const step = fc.oneof(
      fc.record({ add: fc.constantFrom(...commands), server: fc.constantFrom("a", "b"), backups: labels }),
      fc.record({ narrow: fc.nat(20), to: fc.constantFrom<Backups>(older, newer, new Set()) }),
      fc.record({ end: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        /** Of each run of retention: who ran when it began, and is told to it. */
        const told = new Map<TestJob, ReadonlySet<TestJob>>();
        const world = setUp((job) => {
          if (job.command === "retention") told.set(job, new Set(world.queue.running));
        });
        const { queue, add, dispatched } = world;
        let added = 0;
        for (const one of steps) {
          const pick = (place: number) => queue.running[place % Math.max(1, queue.running.length)];
          if ("add" in one) {
            const needs = needsBackups(one.add) || one.add === "delete";
            add(one.add, one.server, one.add === "retention" || one.add === "backup" ? "all" : needs ? one.backups : new Set());
            added += 1;
          } else if ("narrow" in one) {
            const job = pick(one.narrow);
            if (job !== undefined) job.backups = smaller(job.backups, one.to);
            queue.look();
          } else {
            const job = pick(one.end);
            if (job !== undefined) queue.release(job);
          }
          for (const a of queue.running) {
            for (const b of queue.running) {
              if (a === b || a.server !== b.server) continue;
              expect(mayRunTogether(a.command, b.command)).toBe(true);
              if (!takesAway(a.command) || !needsBackups(b.command)) continue;
              const harmless = told.get(a)?.has(b) === true || !shareBackups(a.backups, b.backups);
              expect(harmless, `${a.command} ${a.id} takes what ${b.command} ${b.id} needs`).toBe(true);
            }
          }
        }
        for (let job = queue.running[0]; job !== undefined; job = queue.running[0]) queue.release(job);
        expect(queue.waiting).toEqual([]);
        expect([...dispatched].sort((a, b) => a - b)).toEqual(Array.from({ length: added }, (_, n) => n + 1));
      }),
    );
  });
});
