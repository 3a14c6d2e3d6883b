/** A directory outside the tree for targets that read files, in memory where there is such a file system. */
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Scratch {
  readonly path: string;
  remove(): void;
}

function place(): string {
  try {
    accessSync("/dev/shm", constants.W_OK | constants.X_OK);
    return "/dev/shm";
  } catch {
    // Not everywhere; it is only quicker.
    return tmpdir();
  }
}

export function openScratch(): Scratch {
  const path = mkdtempSync(join(place(), "moneta-fuzz-"));
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Directories for targets with several inputs under way: each has one that no other one uses meanwhile. */
export interface ScratchSet<T> {
  /** Runs with what `prepare` made of a directory. */
  use<R>(action: (prepared: T) => Promise<R>): Promise<R>;
  remove(): void;
}

/** @param prepare called once for each directory; there are as many as were ever needed at a time */
export function openScratchSet<T>(prepare: (path: string) => T): ScratchSet<T> {
  const all: Scratch[] = [];
  const free: T[] = [];
  const another = (): T => {
    const scratch = openScratch();
    all.push(scratch);
    return prepare(scratch.path);
  };
  return {
    async use(action) {
      const prepared = free.pop() ?? another();
      try {
        return await action(prepared);
      } finally {
        free.push(prepared);
      }
    },
    remove: () => {
      for (const scratch of all) scratch.remove();
    },
  };
}
