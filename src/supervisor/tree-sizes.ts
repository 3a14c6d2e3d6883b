/**
 * How much lies in directories that somebody else fills, or that jobs fill without telling: measured at intervals, one
 * after the other, so that storage that hangs keeps one thread of the pool and no more.
 */
import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../common/index.ts";

/** Bytes of all files below a directory; 0 where there is none. What vanishes meanwhile does not count. */
export async function treeSize(directory: string, signal?: AbortSignal): Promise<number> {
  let bytes = 0;
  const waiting = [directory];
  for (let next = waiting.pop(); next !== undefined && signal?.aborted !== true; next = waiting.pop()) {
    try {
      for await (const entry of await opendir(next)) {
        const path = join(next, entry.name);
        if (entry.isDirectory()) waiting.push(path);
        else if (entry.isFile()) bytes += (await lstat(path)).size;
      }
    } catch {
      // Gone, or not ours to read: what can be seen is counted.
    }
  }
  return bytes;
}

export interface TreeSizes {
  /** Bytes as last measured; 0 before that. */
  of(directory: string): number;
}

/** Measures what `list` names, again `intervalMs` after the end of the last round, until the signal fires. */
export function watchTrees(list: () => readonly string[], { clock, intervalMs, signal }: { readonly clock: Clock; readonly intervalMs: number; readonly signal: AbortSignal }): TreeSizes {
  const known = new Map<string, number>();
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      for (const directory of new Set(list())) known.set(directory, await treeSize(directory, signal));
      await clock.sleep(intervalMs, signal);
    }
  };
  loop().catch(() => undefined); // Only the signal ends the sleep: nobody asks any more.
  return { of: (directory) => known.get(directory) ?? 0 };
}
