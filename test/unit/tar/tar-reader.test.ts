/** The tar reader on PostgreSQL's dialect: any split, every refusal. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { createTarReader, type TarEntry, tarErrors } from "../../../src/tar/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { base256, closing, directory, file, header, symlink } from "./tar-archive.ts";

interface Seen {
  readonly entry: TarEntry;
  readonly body: Buffer;
  readonly ended: boolean;
}

function read(pieces: readonly Buffer[], decodePath?: (raw: Buffer) => string): Seen[] {
  const seen: { entry: TarEntry; body: Buffer[]; ended: boolean }[] = [];
  const reader = createTarReader({
    onEntry(entry) {
      expect(seen.at(-1)?.ended ?? true, "the entry before has ended").toBe(true);
      seen.push({ entry, body: [], ended: false });
    },
    onData(piece) {
      expect(piece.length).toBeGreaterThan(0);
      seen.at(-1)?.body.push(Buffer.from(piece));
    },
    onEnd() {
      const current = seen.at(-1);
      expect(current?.ended).toBe(false);
      if (current !== undefined) current.ended = true;
    },
    ...(decodePath === undefined ? {} : { decodePath }),
  });
  for (const piece of pieces) reader.write(piece);
  reader.finish();
  return seen.map(({ entry, body, ended }) => ({ entry, body: Buffer.concat(body), ended }));
}

const bodies = [sampleBytes(8192), sampleBytes(1), sampleBytes(513, "noise"), Buffer.alloc(0), sampleBytes(512)];
const archive = Buffer.concat([
  directory("base"),
  directory("base/5"),
  file("base/5/1259", bodies[0] ?? Buffer.alloc(0)),
  file("base/5/PG_VERSION", bodies[1] ?? Buffer.alloc(0), 0o640),
  symlink("pg_tblspc/16400", "/srv/pg/space one"),
  file("global/pg_control", bodies[2] ?? Buffer.alloc(0)),
  file("empty", bodies[3] ?? Buffer.alloc(0)),
  directory("./pg_wal/archive_status"),
  file("last", bodies[4] ?? Buffer.alloc(0)),
]);

function check(seen: readonly Seen[]): void {
  expect(seen.map(({ entry }) => [entry.path, entry.kind, entry.mode, entry.size])).toEqual([
    ["base", "directory", 0o700, 0],
    ["base/5", "directory", 0o700, 0],
    ["base/5/1259", "file", 0o600, 8192],
    ["base/5/PG_VERSION", "file", 0o640, 1],
    ["pg_tblspc/16400", "symlink", 0o777, 0],
    ["global/pg_control", "file", 0o600, 513],
    ["empty", "file", 0o600, 0],
    ["pg_wal/archive_status", "directory", 0o700, 0],
    ["last", "file", 0o600, 512],
  ]);
  expect(seen[4]?.entry.linkTarget).toBe("/srv/pg/space one");
  expect(seen.every(({ ended }) => ended)).toBe(true);
  expect(
    [2, 3, 5, 6, 8].every(
      (index, body) => Buffer.compare(seen[index]?.body ?? Buffer.alloc(9), bodies[body] ?? Buffer.alloc(0)) === 0,
    ),
  ).toBe(true);
}

describe("an archive of a base backup", () => {
  test("is read whole, with its closing blocks as 15 and newer send them, and without as 13 and 14", () => {
    check(read([Buffer.concat([archive, closing])]));
    check(read([archive]));
  });

  test("is read the same wherever it is split in two", () => {
    const whole = Buffer.concat([archive, closing]);
    for (let at = 0; at <= whole.length; at++) check(read([whole.subarray(0, at), whole.subarray(at)]));
  });

  test("is read the same in pieces of any size", () => {
    const whole = Buffer.concat([archive, closing]);
    for (const size of [1, 2, 3, 511, 512, 513, 1000, 32_768]) {
      const pieces: Buffer[] = [];
      for (let offset = 0; offset < whole.length; offset += size) pieces.push(whole.subarray(offset, offset + size));
      check(read(pieces));
    }
  });

  test("hands on bodies as views of the input, and entries that outlive it", () => {
    const piece = Buffer.from(file("name", Buffer.from("body")));
    const entries: TarEntry[] = [];
    const shared: boolean[] = [];
    const reader = createTarReader({
      onEntry: (entry) => entries.push(entry),
      onData: (body) => shared.push(body.buffer === piece.buffer),
      onEnd: () => undefined,
    });
    reader.write(piece);
    piece.fill(0x78);
    expect(shared).toEqual([true]);
    expect(entries[0]?.rawPath.toString()).toBe("name");
  });

  test("may hold files of 8 GiB and more, their size in base 256", () => {
    const seen: number[] = [];
    const reader = createTarReader({
      onEntry: (entry) => seen.push(entry.size),
      onData: () => undefined,
      onEnd: () => undefined,
    });
    reader.write(header({ name: "huge", size: base256(10n * 1024n ** 3n) }));
    expect(seen).toEqual([10 * 1024 ** 3]);
    expect(() => reader.finish()).toThrow("ends within");
  });

  test("may hold names that are not UTF-8, for whoever says how to read them", () => {
    const name = Buffer.from([0x66, 0xff, 0xfe, 0x6f]);
    const seen = read([file(name, Buffer.from("x"))], (raw) => raw.toString("latin1"));
    expect(seen[0]?.entry.path).toBe("fÿþo");
    expect(seen[0]?.entry.rawPath.equals(name)).toBe(true);
    expect(() => read([file(name, Buffer.from("x"))])).toThrow("not UTF-8");
    expect(read([file("größe/Ω", Buffer.from("x"))])[0]?.entry.path).toBe("größe/Ω");
  });

  test("may have names of a hundred bytes, and longer ones by a prefix", () => {
    const hundred = "n".repeat(100);
    expect(read([file(hundred, Buffer.alloc(0))])[0]?.entry.path).toBe(hundred);
    expect(read([header({ name: "b/c", prefix: "a" })])[0]?.entry.path).toBe("a/b/c");
  });

  test("written by GNU tar is read too", () => {
    const { path } = temporaryDirectory();
    mkdirSync(join(path, "d"));
    writeFileSync(join(path, "d", "f"), bodies[0] ?? "");
    symlinkSync("/somewhere", join(path, "l"));
    for (const format of ["ustar", "gnu"]) {
      const made = execFileSync("tar", [`--format=${format}`, "-C", path, "-c", "d", "l"]);
      const seen = read([made]);
      expect(seen.map(({ entry }) => [entry.path, entry.kind, entry.linkTarget])).toEqual([
        ["d", "directory", undefined],
        ["d/f", "file", undefined],
        ["l", "symlink", "/somewhere"],
      ]);
      expect(seen[1]?.body.equals(bodies[0] ?? Buffer.alloc(0))).toBe(true);
    }
  });
});

describe("a bad archive", () => {
  const malformed = expect.objectContaining({ code: tarErrors.malformed.spec.code }) as Error;
  const refused = expect.objectContaining({ code: tarErrors.refused.spec.code }) as Error;

  test("cut anywhere but between entries is refused", () => {
    const whole = Buffer.concat([file("a", sampleBytes(700)), directory("d"), closing]);
    const complete = new Set([0, 1536, 2048, 3072]);
    for (let length = 0; length <= whole.length; length++) {
      if (complete.has(length)) read([whole.subarray(0, length)]);
      else expect(() => read([whole.subarray(0, length)]), `cut to ${length}`).toThrow(malformed);
    }
  });

  test("with a changed header is refused by its checksum", () => {
    const good = header({ name: "a" });
    for (let byte = 0; byte < 512; byte++) {
      const changed = Buffer.from(good);
      changed[byte] = (changed[byte] ?? 0) ^ 0x11;
      expect(() => read([changed]), `byte ${byte}`).toThrow(malformed);
    }
  });

  test.each(["../x", "a/../x", "..", "/etc/passwd", "a//b", "./", ".", "", "a/.", "a/./b", "/"])(
    "with the name %j is refused",
    (name) => {
      expect(() => read([header({ name })])).toThrow(refused);
    },
  );

  test("with a prefix that leads out is refused", () => {
    expect(() => read([header({ name: "x", prefix: ".." })])).toThrow(refused);
    expect(() => read([header({ name: "x", prefix: "/etc" })])).toThrow(refused);
  });

  test.each([
    ["hard link", "1"],
    ["character device", "3"],
    ["block device", "4"],
    ["named pipe", "6"],
    ["contiguous file", "7"],
    ["extended header", "x"],
    ["global extended header", "g"],
    ["GNU long name", "L"],
    ["GNU sparse file", "S"],
  ])("with a %s is refused", (_, type) => {
    expect(() => read([header({ name: "x", type })])).toThrow(refused);
  });

  test("with a directory or link that has a body, or a link without a target, is refused", () => {
    expect(() => read([header({ name: "x", type: "5", size: 1 })])).toThrow(malformed);
    expect(() => read([header({ name: "x", type: "2", size: 1, link: "/y" })])).toThrow(malformed);
    expect(() => read([header({ name: "x", type: "2" })])).toThrow(malformed);
  });

  test("with a size that is negative, beyond 2^53 or no number is refused", () => {
    const negative = Buffer.alloc(12, 0xff);
    for (const size of [
      negative,
      base256(2n ** 53n),
      base256(2n ** 64n - 1n),
      Buffer.from("77777x777777"),
      Buffer.from("-0000000001 "),
    ]) {
      expect(() => read([header({ name: "x", size })])).toThrow(malformed);
    }
  });

  test("of another format is refused", () => {
    expect(() => read([header({ name: "x", magic: "\0\0\0\0\0\0\0\0" })])).toThrow(malformed);
    expect(() => read([header({ name: "x", magic: "ustar\x0001" })])).toThrow(malformed);
  });

  test("that goes on behind its end is refused", () => {
    expect(() => read([closing, file("x", Buffer.alloc(1))])).toThrow(malformed);
    expect(read([Buffer.concat([file("x", Buffer.alloc(1)), Buffer.alloc(10_240)])]).length).toBe(1);
  });

  test("stays refused", () => {
    const reader = createTarReader({ onEntry: () => undefined, onData: () => undefined, onEnd: () => undefined });
    expect(() => reader.write(header({ name: "../x" }))).toThrow(refused);
    expect(() => reader.write(closing)).toThrow(malformed);
    expect(() => reader.finish()).toThrow(malformed);
  });

  test("never does anything else, whatever the bytes", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 512, maxLength: 1600 }),
        fc.nat(512),
        fc.nat(255),
        (noise, offset, value) => {
          const almost = Buffer.from(file("name", Buffer.from(noise)));
          almost[offset] = value;
          for (const bytes of [Buffer.from(noise), almost]) {
            try {
              read([bytes]);
            } catch (error) {
              expect(tarErrors.malformed.is(error) || tarErrors.refused.is(error)).toBe(true);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
