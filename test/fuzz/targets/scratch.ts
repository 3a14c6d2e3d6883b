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
