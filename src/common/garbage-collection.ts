/**
 * Collects garbage on demand. V8 counts 64 MB of memory outside its heap before it looks for what of it is
 * garbage, and knows of some memory (a library's own) only a part: where frames of a megabyte come and go, that is most of
 * what a process takes.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: ((options?: { readonly type: "minor" }) => void) | undefined;

function collector(): NonNullable<typeof collect> {
  if (collect === undefined) {
    // The only way to have it without an option of the command line.
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as NonNullable<typeof collect>;
  }
  return collect;
}

/** Takes about a millisecond; what has survived two of them is not looked at. */
export function collectYoung(): void {
  collector()({ type: "minor" });
}

/**
 * Collects everything, in about 15 milliseconds. When V8 does so by itself depends on what the process had loaded at its start, and
 * on much else.
 */
function collectAll(): void {
  collector()();
}

/** Every so many times everything is collected: what waited for the disk or for its turn has outlived the young generation. */
const FULL_EVERY = 3;

/**
 * For those through whose hands large buffers go: told how many bytes of them nobody needs any more, it collects once so much of
 * that may lie about.
 */
export function createGarbageCounter(mostBytes: number): (bytes: number) => void {
  let garbage = 0;
  let collections = 0;
  return (bytes) => {
    garbage += bytes;
    if (garbage < mostBytes) return;
    garbage = 0;
    collections += 1;
    if (collections % FULL_EVERY === 0) collectAll();
    else collectYoung();
  };
}
