/** The server's version of a segment that diverged, beside ours and under a name that nobody takes for WAL: evidence, not data. */
import { closeSync, openSync } from "node:fs";
import type { SegmentCalls } from "./segment-calls.ts";

export const evidencePath = (partial: string): string => `${partial}.diverged`;

const copyBlock = 256 * 1024;

/**
 * Writes what the server sent of the segment: the first `equal` bytes, which are those of the open file `fd`, then
 * `received`. The first evidence is kept, later attempts find it there. False when it could not be written: a full disk
 * must not hide the divergence itself.
 */
export function keepServersVersion(calls: SegmentCalls, fd: number, equal: number, received: Buffer, path: string): boolean {
  let out: number;
  try {
    out = openSync(path, "wx", 0o600);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EEXIST";
  }
  try {
    const block = Buffer.allocUnsafe(copyBlock);
    let at = 0;
    while (at < equal) {
      const piece = block.subarray(0, calls.read(fd, block.subarray(0, Math.min(copyBlock, equal - at)), at));
      if (piece.length === 0) return false;
      at += writeAll(calls, out, piece, at);
    }
    writeAll(calls, out, received, at);
    calls.sync(out);
    return true;
  } catch {
    return false;
  } finally {
    closeSync(out);
  }
}

function writeAll(calls: SegmentCalls, fd: number, data: Buffer, position: number): number {
  for (let done = 0; done < data.length; ) done += calls.write(fd, data.subarray(done), position + done);
  return data.length;
}
