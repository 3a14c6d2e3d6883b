import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lsn, pathFromBytes, timelineId } from "../../../src/postgres/index.ts";
import type { BackupInfo } from "../../../src/repository/index.ts";
import { formatBackupInfo, parseBackupInfo, repositoryErrors } from "../../../src/repository/index.ts";
import { sample, sampleInfo, sampleOwn } from "./sample-backup.ts";

const name = "primary/backup/20261120090138/backup.info";
const label = "20261120090138";
const foreign = readFileSync(join(import.meta.dirname, "../../fixtures/repository/pgmoneta-0.22-backup.info"));

function parse(bytes: Buffer): BackupInfo {
  return parseBackupInfo(bytes, name, label);
}

function refused(bytes: Buffer): string {
  try {
    parse(bytes);
  } catch (error) {
    expect(error).toSatisfy(repositoryErrors.backupDamaged.is);
    expect((error as Error).message).toContain(name);
    return (error as Error).message;
  }
  throw new Error(`was accepted:\n${bytes.toString()}`);
}

function keysOf(bytes: Buffer): string[] {
  return bytes
    .toString("utf8")
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [line.slice(0, line.indexOf("="))]));
}

describe("a file of pgmoneta 0.22", () => {
  test("is read", () => {
    expect(parse(foreign)).toEqual({
      writer: "0.22.0",
      valid: true,
      label,
      firstSegment: "000000010000000000000005",
      storedBytes: 8359936,
      restoredBytes: 8052736,
      biggestFile: 745472,
      elapsed: {
        total: 0.5317,
        baseBackup: 0.4393,
        hash: 0.0144,
        zstd: 0.091,
        gzip: 0,
        bzip2: 0,
        lz4: 0,
        encryption: 0,
        linking: 0.0354,
        manifest: 0.0129,
        remoteSsh: 0,
        remoteS3: 0,
        remoteAzure: 0,
      },
      majorVersion: 15,
      minorVersion: 18,
      keep: false,
      tablespaces: [],
      compression: "zstd",
      compressedBy: "client",
      encryption: "none",
      startLsn: lsn(0x5000028),
      endLsn: lsn(0x5000100),
      checkpointLsn: lsn(0x5000060),
      startTimeline: timelineId(1),
      endTimeline: timelineId(1),
      type: "full",
      parent: undefined,
      comments: "",
      extra: "",
      own: undefined,
      unknown: [],
    });
  });

  test("is written back byte for byte", () => {
    expect(formatBackupInfo(parse(foreign)).toString()).toBe(foreign.toString().replace(/\n+$/, "\n"));
  });

  test("keeps a backslash in a value as it is, there and back", () => {
    const odd = Buffer.from(foreign.toString().replace("COMMENTS=", "COMMENTS=path|C:\\u0041\\n"));
    expect(parse(odd).comments).toBe("path|C:\\u0041\\n");
    expect(formatBackupInfo(parse(odd)).toString()).toContain("COMMENTS=path|C:\\u0041\\n\n");
  });

  test("keeps keys that are not known", () => {
    const later = Buffer.from(`${foreign.toString().trimEnd()}\nFUTURE=a=b c\n`);
    expect(parse(later).unknown).toEqual([["FUTURE", "a=b c"]]);
    expect(formatBackupInfo(parse(later)).toString()).toContain("FUTURE=a=b c\n");
  });

  test("is refused when it was cut at any byte", () => {
    const whole = foreign.toString().trimEnd().length;
    for (let length = 0; length <= whole; length++) refused(foreign.subarray(0, length));
  });

  test("is refused with what is wrong", () => {
    const text = foreign.toString();
    const cases: [string, string, RegExp][] = [
      ["STATUS=1", "STATUS=2", /STATUS is "2"/],
      ["KEEP=0", "KEEP=", /KEEP is ""/],
      ["START_WALPOS=0/5000028", "START_WALPOS=5000028", /START_WALPOS/],
      ["START_TIMELINE=1", "START_TIMELINE=0", /timeline|TIMELINE/],
      ["COMPRESSION=18", "COMPRESSION=7", /COMPRESSION is "7"/],
      ["ENCRYPTION=0", "ENCRYPTION=9", /ENCRYPTION is "9"/],
      ["TABLESPACES=0", "TABLESPACES=1", /TABLESPACE1 is missing/],
      ["BACKUP=8359936", "BACKUP=-1", /BACKUP is "-1"/],
      ["EXTRA=", "EXTRA", /line 35 is not of the form/],
      ["EXTRA=", "KEEP=1\nEXTRA=", /KEEP is there twice/],
      ["LABEL=20261120090138", "LABEL=20261120090139", /backup 20261120090139/],
      ["PARENT=", "PARENT=../../etc", /PARENT/],
    ];
    for (const [from, to, why] of cases) {
      expect(text).toContain(from);
      expect(refused(Buffer.from(text.replace(from, to)))).toMatch(why);
    }
  });
});

describe("a file of ours", () => {
  test("has pgmoneta's keys in its order, then ours, last its digest", () => {
    const keys = keysOf(formatBackupInfo(sampleInfo));
    const theirs = keysOf(foreign);
    expect(keys.slice(0, theirs.length)).toEqual(theirs);
    expect(keys.slice(theirs.length)).toEqual([
      ...[
        "MONETA_FORMAT",
        "MONETA_VERSION",
        "SYSTEM_IDENTIFIER",
        "SERVER_VERSION",
        "WAL_SEGMENT_SIZE",
        "HASH_ALGORITHM",
        "KEY_ID",
      ],
      ...["START_TIME", "END_TIME", "TIME_ZONE", "FILES", "PAGE_CHECKSUMS", "BAD_PAGES", "DAMAGED_FILES", "CHUNK_INDEX"],
      ...["DIGEST_backup.manifest", "DIGEST_backup.sha256", "DIGEST_backup.chunks", "DIGEST"],
    ]);
  });

  test("says for pgmoneta what it would have said itself", () => {
    const ours = formatBackupInfo(sampleInfo).toString().split("\n");
    const theirs = foreign.toString().split("\n");
    const different = theirs.filter((line) => !ours.includes(line)).map((line) => line.split("=")[0]);
    // The two timings that the sample does not state, and who wrote it.
    expect(different.filter((key) => !key?.endsWith("_ELAPSED"))).toEqual(["PGMONETA_VERSION"]);
  });

  test("puts tablespaces where pgmoneta does", () => {
    const tablespaces = [{ directory: "tblspc_a", name: "a", oid: 16385, location: "/srv/a" }];
    const keys = keysOf(formatBackupInfo(sample({ tablespaces })));
    const at = keys.indexOf("TABLESPACE1");
    expect(keys.slice(at - 1, at + 4)).toEqual([
      "ENCRYPTION",
      "TABLESPACE1",
      "TABLESPACE_OID1",
      "TABLESPACE_PATH1",
      "START_WALPOS",
    ]);
  });

  test("is refused when it was cut at any byte", () => {
    const bytes = formatBackupInfo(sampleInfo);
    for (let length = 0; length < bytes.length; length++) refused(bytes.subarray(0, length));
  });

  test("is refused when any byte was changed", () => {
    const bytes = formatBackupInfo(sampleInfo);
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 0x20]) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ bit;
        refused(changed);
      }
    }
  });

  test("of a later format is refused as that", () => {
    // A later version has a digest too: take one that is right for the changed text.
    const later = formatBackupInfo(sample({ unknown: [["MONETA_FUTURE", "1"]] }))
      .toString()
      .replace("MONETA_FORMAT=1", "MONETA_FORMAT=2");
    const body = later.slice(0, later.lastIndexOf("DIGEST="));
    const digest = createHash("sha256").update(body).digest("hex");
    expect(() => parse(Buffer.from(`${body}DIGEST=${digest}\n`))).toThrow(/format 2, the newest known is 1/);
  });

  const text = fc.string({ unit: "binary", maxLength: 40 });
  const anyName = fc
    .uint8Array({ minLength: 1, maxLength: 40 })
    .map((bytes) => pathFromBytes(bytes.map((byte) => (byte === 0 ? 1 : byte))));
  const position = fc.bigInt(0n, 0xffff_ffff_ffff_ffffn).map(lsn);
  const infos = fc.record({
    valid: fc.boolean(),
    keep: fc.boolean(),
    storedBytes: fc.maxSafeNat(),
    startLsn: position,
    endLsn: position,
    checkpointLsn: position,
    startTimeline: fc.integer({ min: 1, max: 0xffff_ffff }).map(timelineId),
    compression: fc.constantFrom("gzip" as const, "zstd" as const, "lz4" as const, "bzip2" as const),
    compressedBy: fc.constantFrom("client" as const, "server" as const),
    encryption: fc.constantFrom(
      "none" as const,
      "aes-256-gcm" as const,
      "aes-192-gcm" as const,
      "aes-128-gcm" as const,
    ),
    type: fc.constantFrom("full" as const, "incremental" as const),
    parent: fc.option(fc.constant("20261119000000"), { nil: undefined }),
    comments: fc.oneof(text, anyName),
    extra: anyName,
    tablespaces: fc.array(
      fc.record({
        directory: fc.constant("tblspc_x%2Fy"),
        name: fc.constant("x/y"),
        oid: fc.integer({ min: 1, max: 0xffff_ffff }),
        location: anyName,
      }),
    ),
    unknown: fc.constantFrom([], [["FUTURE", "a\\nb\n=\\"] as const]),
  });

  test("is read as it was written, whatever the values", () => {
    fc.assert(
      fc.property(infos, fc.array(anyName, { maxLength: 5 }), (facts, damagedFiles) => {
        const own = { ...sampleOwn, damagedFiles, keyId: damagedFiles.length % 2 === 0 ? undefined : "ab".repeat(16) };
        const info: BackupInfo = { ...sampleInfo, ...facts, own };
        const bytes = formatBackupInfo(info);
        expect(parse(bytes)).toEqual({ ...info, parent: facts.parent });
        // One line a key, and UTF-8 only: any editor and any line-based tool reads it.
        expect(bytes.toString("utf8").split("\n").length - 1).toBe(keysOf(bytes).length);
        expect(Buffer.from(bytes.toString("utf8"))).toEqual(bytes);
      }),
      { numRuns: 200 },
    );
  });
});
