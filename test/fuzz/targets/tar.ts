/** Tar archives as they come from a server. */
import { pathFromBytes } from "../../../src/postgres/index.ts";
import { createTarReader } from "../../../src/tar/index.ts";
import { base256, closing, directory, file, header, symlink } from "../../unit/tar/tar-archive.ts";
import type { Random } from "../engine/random.ts";
import { mustHold, type FuzzTarget } from "../engine/target.ts";
import { readBothWays } from "./transcript.ts";

const names: readonly [string, ...string[]] = [
  "PG_VERSION", "base/1/1259", "global/pg_control", "pg_wal/000000010000000000000001", "../evil", "/etc/passwd", "a/../../b", "./x", ".", "..",
  "", "a//b", "pg_tblspc/16384", "base/5/\xff\xfe", "x".repeat(100), "backup_label", "a\nb", "pg_tblspc/16384/PG_15_202209061/5/1",
];

export function archiveOf(random: Random): Buffer {
  const parts = Array.from({ length: random.below(5) }, () => {
    const name = random.pick(names);
    switch (random.below(6)) {
      case 0:
        return directory(name);
      case 1:
        return symlink(name, random.pick(["/srv/space", "../..", "", "x"]));
      case 2:
        return header({ name, size: base256(BigInt(random.word()) << BigInt(random.below(33))), type: random.pick(["0", "5", "2", "L", "1"]) });
      case 3:
        return header({ name, prefix: random.pick(names), mode: random.below(0o20000) });
      default:
        return file(name, Buffer.alloc(random.below(1500), 7), random.below(0o1000));
    }
  });
  return Buffer.concat([...parts, random.once(2) ? closing : Buffer.alloc(0)]);
}

/** Gives the blocks that look like headers the sum that they should have. */
export function repairChecksums(input: Buffer): Buffer {
  const repaired = Buffer.from(input);
  for (let at = 0; at + 512 <= repaired.length; at += 512) {
    const block = repaired.subarray(at, at + 512);
    if (block.toString("latin1", 257, 262) !== "ustar") continue;
    block.fill(0x20, 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  }
  return repaired;
}

export const tarCorpus: readonly Buffer[] = [
  Buffer.concat([directory("base"), file("base/1", Buffer.from("one")), file("PG_VERSION", Buffer.from("15\n")), closing]),
  Buffer.concat([file("backup_label", Buffer.alloc(1024, "l")), symlink("pg_tblspc/16384", "/srv/space"), file("empty", Buffer.alloc(0))]),
  Buffer.concat([file("a".repeat(100), Buffer.alloc(513, 1)), header({ name: "b", prefix: "long" }), closing]),
];

export const tarTarget: FuzzTarget = {
  name: "tar",
  open: () => ({
    corpus: tarCorpus,
    words: ["ustar\x0000", "ustar  \0", "../", "0000000 ", Buffer.from([0x80, 0, 0, 0])],
    generate: archiveOf,
    repair: repairChecksums,
    run(input, random) {
      readBothWays(
        (told) => {
          let left = 0;
          let open = false;
          return createTarReader({
            decodePath: pathFromBytes,
            onEntry(entry) {
              const parts = entry.path.split("/");
              mustHold(!parts.some((part) => ["", ".", ".."].includes(part)), "no path leads elsewhere");
              mustHold(!entry.path.includes("\0") && entry.mode <= 0o7777, "names and modes are possible ones");
              mustHold(!open && Number.isSafeInteger(entry.size) && entry.size >= 0, "entries do not overlap");
              mustHold(Number.isFinite(entry.modified), "the time is a number");
              open = true;
              left = entry.size;
              told.say(JSON.stringify({ ...entry, rawPath: undefined, rawLinkTarget: undefined }));
            },
            onData(piece) {
              left -= piece.length;
              mustHold(open && left >= 0, "a body is as long as its header says");
              told.bytes(piece);
            },
            onEnd() {
              mustHold(open && left === 0, "an entry ends when its body is complete");
              open = false;
              told.say("end");
            },
          });
        },
        input,
        random,
      );
      return undefined;
    },
  }),
};
