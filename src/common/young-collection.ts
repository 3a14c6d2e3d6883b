/**
 * Collects the young generation on demand. V8 counts 64 MB of memory outside its heap before it looks for what of it is
 * garbage, and knows of some memory (a library's own) only a part: where frames of a megabyte come and go, that is most of
 * what a process takes.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: ((options: { readonly type: "minor" }) => void) | undefined;

/** Takes about a millisecond; what has survived two of them is not looked at. */
export function collectYoung(): void {
  if (collect === undefined) {
    // The only way to have it without an option of the command line.
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as NonNullable<typeof collect>;
  }
  collect({ type: "minor" });
}
