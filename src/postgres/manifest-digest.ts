/**
 * What the checksum at the end of a backup_manifest covers: every byte before the last line (`verify_manifest_checksum`,
 * parse_manifest.c). Which line is the last is known only at the end, so one line is always held back.
 */
import { createHash } from "node:crypto";
import { manifestError } from "./manifest-fields.ts";

/** Longest line that is put together from several pieces, bytes; a line of PostgreSQL has at most some 7,000. */
const longestHeld = 4 * 1024 * 1024;
const lineFeed = 0x0a;

/** The SHA-256 of everything before the last line, in hexadecimal; `finish` throws when the last line has no end. */
export function createManifestDigest(): { write(bytes: Buffer): void; finish(): string } {
  const hash = createHash("sha256");
  /** The last complete line and what follows it: not hashed yet, because it may be the last one. */
  let held = Buffer.alloc(0);
  let complete = false;
  const hold = (bytes: Buffer): void => {
    if (held.length + bytes.length > longestHeld) throw manifestError("a line is too long");
    held = Buffer.concat([held, bytes]);
  };
  return {
    write(bytes) {
      const last = bytes.lastIndexOf(lineFeed);
      if (last < 0) {
        // A complete line is followed by something, so it was not the last one.
        if (complete && bytes.length > 0) {
          hash.update(held);
          held = Buffer.alloc(0);
          complete = false;
        }
        hold(bytes);
        return;
      }
      const before = last === 0 ? -1 : bytes.lastIndexOf(lineFeed, last - 1);
      const endsHere = last === bytes.length - 1;
      if (!endsHere) {
        hash.update(held).update(bytes.subarray(0, last + 1));
        held = Buffer.from(bytes.subarray(last + 1));
        complete = false;
      } else if (before >= 0 || complete) {
        hash.update(held).update(bytes.subarray(0, before + 1));
        held = Buffer.from(bytes.subarray(before + 1));
        complete = true;
      } else {
        hold(bytes);
        complete = true;
      }
    },
    finish() {
      if (!complete) throw manifestError("the last line has no end");
      return hash.digest("hex");
    },
  };
}
