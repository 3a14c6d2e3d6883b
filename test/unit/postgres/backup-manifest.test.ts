import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createManifestReader,
  formatLsn,
  manifestCrc32c,
  pathFromBytes,
  readBackupManifest,
} from "../../../src/postgres/index.ts";
import type { ManifestFile, ManifestSummary } from "../../../src/postgres/index.ts";
import { manifestText } from "./manifest-writer.ts";
import type { ManifestParts } from "./manifest-writer.ts";

const damaged = expect.objectContaining({ code: "BACKUP_MANIFEST_DAMAGED" }) as Error;

function read(
  content: Buffer | string,
  cuts: readonly number[] = [],
): { files: ManifestFile[]; summary: ManifestSummary } {
  const bytes = Buffer.from(content as string);
  const files: ManifestFile[] = [];
  const reader = createManifestReader((file) => files.push(file));
  let from = 0;
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    // A piece is valid during the call only.
    const piece = Uint8Array.from(bytes.subarray(from, cut));
    reader.write(piece);
    piece.fill(0x22);
    from = cut;
  }
  return { files, summary: reader.finish() };
}

const small: ManifestParts = {
  version: 1,
  files: [
    { path: "backup_label", size: 222, checksum: "d1d2d3d4" },
    { path: "global/pg_control", size: 8192, checksum: "0011aabb" },
    { path: 'base/5/odd "name"\\\n\u0001 ä', size: 0, checksum: "00000000" },
    { encoded: "626173652f35ff", size: 17, checksum: "12345678" },
  ],
  ranges: [{ timeline: 1, start: "0/2000028", end: "0/2000100" }],
};

describe("backup_manifest", () => {
  it("is read as PostgreSQL writes it", () => {
    const { files, summary } = read(manifestText(small));
    expect(files).toEqual([
      {
        path: "backup_label",
        size: 222,
        lastModified: "2026-11-20 09:39:06 GMT",
        checksumAlgorithm: "CRC32C",
        checksum: "d1d2d3d4",
      },
      {
        path: "global/pg_control",
        size: 8192,
        lastModified: "2026-11-20 09:39:06 GMT",
        checksumAlgorithm: "CRC32C",
        checksum: "0011aabb",
      },
      {
        path: 'base/5/odd "name"\\\n\u0001 ä',
        size: 0,
        lastModified: "2026-11-20 09:39:06 GMT",
        checksumAlgorithm: "CRC32C",
        checksum: "00000000",
      },
      {
        path: "base/5\udcff",
        size: 17,
        lastModified: "2026-11-20 09:39:06 GMT",
        checksumAlgorithm: "CRC32C",
        checksum: "12345678",
      },
    ]);
    expect(summary).toMatchObject({ version: 1, known: true, fileCount: 4, totalSize: 8431 });
    expect(summary.systemIdentifier).toBeUndefined();
    expect(summary.walRanges.map((r) => [r.timeline, formatLsn(r.start), formatLsn(r.end)])).toEqual([
      [1, "0/2000028", "0/2000100"],
    ]);
  });

  it("of version 2 says which system it is of, exactly", () => {
    const { summary } = read(manifestText({ ...small, version: 2, systemIdentifier: "7710185895970150537" }));
    expect(summary).toMatchObject({ version: 2, known: true, systemIdentifier: "7710185895970150537" });
    expect(() => read(manifestText({ ...small, version: 2 }))).toThrow(/system identifier is missing/);
    expect(() => read(manifestText({ ...small, version: 1, systemIdentifier: "1" }))).toThrow(damaged);
  });

  it("without checksums of files, and with each kind of them, is read", () => {
    const kinds = [
      ["SHA224", 56],
      ["SHA256", 64],
      ["SHA384", 96],
      ["SHA512", 128],
    ] as const;
    for (const [algorithm, digits] of kinds) {
      const checksum = "ab".repeat(digits / 2);
      const { files } = read(manifestText({ ...small, files: [{ path: "x", size: 1, algorithm, checksum }] }));
      expect(files[0]).toMatchObject({ checksumAlgorithm: algorithm, checksum });
    }
    const { files } = read(manifestText({ ...small, files: [{ path: "x", size: 1 }] }));
    expect(files).toEqual([{ path: "x", size: 1, lastModified: "2026-11-20 09:39:06 GMT" }]);
  });

  it("gives the same wherever it is cut, even everywhere", () => {
    const text = manifestText({ ...small, version: 2, systemIdentifier: "18446744073709551615" });
    const bytes = Buffer.from(text);
    const expected = read(text);
    for (let cut = 0; cut <= bytes.length; cut += 1) expect(read(text, [cut]), `cut at ${cut}`).toEqual(expected);
    expect(
      read(
        text,
        Array.from({ length: bytes.length }, (_, at) => at),
      ),
    ).toEqual(expected);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
        expect(read(text, cuts)).toEqual(expected);
      }),
    );
  });

  it("is refused when it is cut off, at every byte", () => {
    const bytes = Buffer.from(manifestText(small));
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => read(bytes.subarray(0, length)), `${length} bytes`).toThrow(damaged);
    }
  });

  it("is refused when any single bit is wrong", () => {
    const sound = Buffer.from(manifestText(small));
    const bytes = Buffer.from(sound);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const at = bit >> 3;
      bytes[at] = (sound[at] ?? 0) ^ (1 << (bit & 7));
      const wrong = () => read(bytes);
      // The case of the checksum's own digits means nothing, and PostgreSQL accepts both.
      const sameDigit =
        bytes.toString("latin1").toLowerCase().slice(-72) === sound.toString("latin1").toLowerCase().slice(-72);
      if (bit % 8 === 5 && sameDigit && at > bytes.length - 70 && at < bytes.length - 3) expect(wrong).not.toThrow();
      else expect(wrong, `bit ${bit & 7} of byte ${at}`).toThrow();
      bytes[at] = sound[at] ?? 0;
    }
  });

  it("is refused with anything before or behind", () => {
    const text = manifestText(small);
    for (const other of [
      `${text}\n`,
      `${text} `,
      `${text}{}`,
      `\n${text}`,
      ` ${text}`,
      `x${text}`,
      text.slice(0, -1),
      "",
      "\n",
      "{}\n",
    ]) {
      expect(() => read(other), JSON.stringify(other.slice(0, 10))).toThrow(damaged);
    }
  });

  it("is refused when a file comes twice, also once as bytes and once as text", () => {
    const twice = { path: "base/5/ä", size: 1, checksum: "00000000" };
    expect(() => read(manifestText({ ...small, files: [twice, twice] }))).toThrow(/comes twice/);
    const encoded = { encoded: Buffer.from("base/5/ä").toString("hex"), size: 1, checksum: "00000000" };
    expect(() => read(manifestText({ ...small, files: [twice, encoded] }))).toThrow(/comes twice/);
  });

  it.each(["/etc/passwd", "../x", "base/../../x", "", ".", "base//x", "a\0b"])(
    "is refused with the path %j",
    (path) => {
      const text = manifestText({ ...small, files: [{ path, size: 1, checksum: "00000000" }] });
      expect(() => read(text)).toThrow(expect.objectContaining({ code: "FILE_PATH_REFUSED" }));
      if (path === "") return;
      const encoded = Buffer.from(path).toString("hex");
      expect(() => read(manifestText({ ...small, files: [{ encoded, size: 1 }] }))).toThrow(
        expect.objectContaining({ code: "FILE_PATH_REFUSED" }),
      );
    },
  );

  it.each<[string, (text: string) => string]>([
    ["no files", (text) => text.replace(/"Files": \[[^]*?\],\n/, "")],
    ["no WAL ranges", (text) => text.replace(/"WAL-Ranges": \[[^]*?\],\n/, "")],
    ["an empty list of WAL ranges", (text) => text.replace(/"WAL-Ranges": \[[^]*?\],\n/, '"WAL-Ranges": [ ],\n')],
    ["its version not first", (text) => text.replace(/"PostgreSQL-Backup-Manifest-Version": 1,\n/, "")],
    ["version 0", (text) => text.replace('Version": 1,', 'Version": 0,')],
    ["a version that is a text", (text) => text.replace('Version": 1,', 'Version": "1",')],
    ["an unknown field", (text) => text.replace('"Files"', '"Folders": 1,\n"Files"')],
    ["a field twice", (text) => text.replace('"WAL-Ranges"', '"Files": [ ],\n"WAL-Ranges"')],
    ["an unknown field of a file", (text) => text.replace('"Size"', '"Colour": 1, "Size"')],
    ["a field of a file twice", (text) => text.replace('"Size"', '"Size": 1, "Size"')],
    ["a file without size", (text) => text.replace('"Size": 222, ', "")],
    ["a size that is a text", (text) => text.replace('"Size": 222', '"Size": "222"')],
    ["a negative size", (text) => text.replace('"Size": 222', '"Size": -222')],
    ["a broken size", (text) => text.replace('"Size": 222', '"Size": 222.5')],
    ["a size beyond all files", (text) => text.replace('"Size": 222', '"Size": 99999999999999999999')],
    ["a file without path", (text) => text.replace('"Path": "backup_label", ', "")],
    ["a file with two paths", (text) => text.replace('"Path"', '"Encoded-Path": "00", "Path"')],
    ["an encoded path that is not hexadecimal", (text) => text.replace("626173652f35ff", "626173652f35f")],
    ["an unknown kind of checksum", (text) => text.replace("CRC32C", "MD5")],
    ["a checksum that is too short", (text) => text.replace("d1d2d3d4", "d1d2d3")],
    ["a checksum without kind", (text) => text.replace('"Checksum-Algorithm": "CRC32C", ', "")],
    ["a file that is a list", (text) => text.replace('"Files": [', '"Files": [ [ ],')],
    ["files that are a text", (text) => text.replace(/"Files": \[[^]*?\],\n/, '"Files": "none",\n')],
    ["timeline 0", (text) => text.replace('"Timeline": 1', '"Timeline": 0')],
    ["a WAL range that ends before it begins", (text) => text.replace("0/2000100", "0/2000000")],
    ["a WAL range without end", (text) => text.replace(', "End-LSN": "0/2000100"', "")],
    ["a position of the wrong form", (text) => text.replace("0/2000100", "0/200010000")],
  ])("with %s is refused even with a right checksum", (_what, change) => {
    const changed = change(manifestText(small));
    expect(changed).not.toBe(manifestText(small));
    const body = changed.slice(0, changed.lastIndexOf('"Manifest-Checksum"'));
    const checksum = createHash("sha256").update(body).digest("hex");
    expect(() => read(`${body}"Manifest-Checksum": "${checksum}"}\n`)).toThrow(damaged);
  });

  it("of a version to come is read as far as it is understood, and says so", () => {
    const body = manifestText({ ...small, version: 2, systemIdentifier: "7" })
      .replace('Version": 2,', 'Version": 3,')
      .replace('"Files"', '"News": { "a": [ 1, { "b": null } ], "Files": 1 },\n"Files"')
      .replace('"Size": 222', '"Size": 222, "Colour": { "x": [ "y" ] }, "Weight": 1');
    const covered = body.slice(0, body.lastIndexOf('"Manifest-Checksum"'));
    const checksum = createHash("sha256").update(covered).digest("hex");
    const { files, summary } = read(`${covered}"Manifest-Checksum": "${checksum}"}\n`);
    expect(files.map((file) => file.size)).toEqual([222, 8192, 0, 17]);
    expect(summary).toMatchObject({ version: 3, known: false, systemIdentifier: "7", fileCount: 4 });
  });

  it("writes a CRC-32C lowest byte first", () => {
    expect(manifestCrc32c(0xe3069283)).toBe("839206e3");
    expect(manifestCrc32c(1)).toBe("01000000");
    expect(manifestCrc32c(-1)).toBe("ffffffff");
  });

  it("names where it is damaged", () => {
    expect(() => read("{\n?")).toThrow(/^backup_manifest, byte 2: /);
  });

  it("is read from anything that yields pieces", async () => {
    const bytes = Buffer.from(manifestText(small));
    async function* source() {
      for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100);
    }
    const paths: string[] = [];
    const summary = await readBackupManifest(source(), (file) => paths.push(file.path));
    expect(paths).toHaveLength(summary.fileCount);
  });

  it("keeps nothing of a file but a few bytes", () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const count = 200_000;
    // Whoever keeps a path keeps more than twice what is allowed.
    const long = "base/".padEnd(230, "x");
    const used = (): number => {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    let seen = 0;
    const reader = createManifestReader(() => {
      seen += 1;
    });
    reader.write(Buffer.from('{ "PostgreSQL-Backup-Manifest-Version": 1,\n"Files": [\n'));
    const before = used();
    for (let file = 0; file < count; file += 1) {
      reader.write(
        Buffer.from(`${file === 0 ? "" : ",\n"}{ "Path": "${long}/${file}", "Size": 8192, "Last-Modified": "x" }`),
      );
    }
    const kept = used() - before;
    expect(seen).toBe(count);
    expect(kept / count).toBeLessThan(100);
    expect(() => {
      reader.finish();
    }).toThrow(damaged);
  });

  it("gives back any name that a file can have", () => {
    const part = fc
      .uint8Array({ minLength: 1, maxLength: 12 })
      .filter((bytes) => !bytes.includes(0) && !bytes.includes(0x2f));
    fc.assert(
      fc.property(
        fc.uniqueArray(
          part.map((bytes) => Buffer.from(bytes).toString("hex")),
          { maxLength: 8 },
        ),
        (names) => {
          const paths = names.map((name) => pathFromBytes(Buffer.from(`642f${name}`, "hex")));
          fc.pre(!paths.some((path) => path.endsWith("/.") || path.endsWith("/..")));
          const files = paths.map((path, index) =>
            !/\p{Surrogate}/u.test(path)
              ? { path, size: index }
              : { encoded: `642f${names[index] ?? ""}`, size: index },
          );
          expect(read(manifestText({ ...small, files })).files.map((file) => file.path)).toEqual(paths);
        },
      ),
    );
  });
});
