import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JobCommand } from "../../../src/state/index.ts";
import { accessOf, mayRunTogether } from "../../../src/supervisor/locks.ts";
import { createJobQueue, type QueuedJob } from "../../../src/supervisor/queue.ts";

const commands = Object.keys(accessOf) as JobCommand[];

function setUp() {
  const dispatched: number[] = [];
  const queue = createJobQueue<QueuedJob>((job) => dispatched.push(job.id));
  let id = 0;
  const add = (command: JobCommand, server = "primary"): QueuedJob => {
    id += 1;
    const job = { id, server, command };
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
    const restore = add("restore");
    const removal = add("delete");
    const later = add("restore");
    expect(dispatched).toEqual([1]);
    expect(queue.blockers(later)).toEqual([removal]);
    queue.release(restore);
    expect(dispatched).toEqual([1, 2]);
    queue.release(removal);
    expect(dispatched).toEqual([1, 2, 3]);
  });

  it("forgets a job that is cancelled while it waits, and serves those behind it", () => {
    const { queue, add, dispatched } = setUp();
    add("restore");
    const removal = add("delete");
    add("restore");
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

  it("never lets two jobs run that exclude each other, and gets every job done", () => {
    const step = fc.oneof(
      fc.record({ add: fc.constantFrom(...commands), server: fc.constantFrom("a", "b") }),
      fc.record({ end: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { queue, add, dispatched } = setUp();
        let added = 0;
        for (const one of steps) {
          if ("add" in one) {
            add(one.add, one.server);
            added += 1;
          } else {
            const job = queue.running[one.end % Math.max(1, queue.running.length)];
            if (job !== undefined) queue.release(job);
          }
          for (const a of queue.running) {
            for (const b of queue.running) {
              if (a !== b && a.server === b.server) expect(mayRunTogether(a.command, b.command)).toBe(true);
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
