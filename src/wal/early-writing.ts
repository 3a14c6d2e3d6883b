/**
 * Lets the system write a segment to disk while more of it is received, so that the sync that counts finds little left to
 * do. It is done by a descriptor of its own: the system keeps an account of failed writes for each (errseq_t of Linux), and
 * what it tells this one is not taken from the one whose sync is a promise. Nothing here says that anything is durable.
 */
import { closeSync, constants, openSync } from "node:fs";
import type { SegmentCalls } from "./segment-calls.ts";

export interface EarlyWriting {
  /** What the system said when it could not write; the file must not be trusted any more. */
  readonly failure: Error | undefined;
  /** Has written what is in the file now; returns at once, and does nothing while the last time is not through. */
  begin(): void;
  /** Ends it; what is under way ends by itself. Repeatable. */
  close(): void;
}

/** For the file at `path`, which is opened when it is first needed; one that cannot be opened is written by its sync alone. */
export function createEarlyWriting(calls: Pick<SegmentCalls, "datasyncBeside">, path: string): EarlyWriting {
  let fd: number | undefined;
  let failure: Error | undefined;
  let underWay = false;
  let closed = false;

  const open = (): void => {
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch {
      closed = true;
    }
  };

  const release = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };

  return {
    get failure() {
      return failure;
    },
    begin() {
      if (underWay || closed) return;
      if (fd === undefined) open();
      if (fd === undefined) return;
      calls.datasyncBeside(fd, (error) => {
        underWay = false;
        failure ??= error ?? undefined;
        if (closed) release();
      });
      underWay = true;
    },
    close() {
      closed = true;
      // The number of a descriptor that is closed under a waiting call may belong to another file when its turn comes.
      if (!underWay) release();
    },
  };
}
