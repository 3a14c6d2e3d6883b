import { crc32c } from "@node-rs/crc32";
import { describe, expect, it } from "vitest";
import { formatLsn, parseControlFile } from "../../../src/postgres/index.ts";
import { controlFileSample, controlFileSamples } from "./control-file-samples.ts";
import type { ControlFileSample } from "./control-file-samples.ts";

const majors = Object.keys(controlFileSamples).map((major) => Number(major) as ControlFileSample);
const refused = expect.objectContaining({ code: "CONTROL_FILE_DAMAGED" }) as Error;

/** Where the checksum stands in the file of a major. */
const checksumAt = (major: ControlFileSample) => (major === 18 ? 292 : 288);

function sealed(file: Buffer, at: number): Buffer {
  file.writeUInt32LE(crc32c(file.subarray(0, at)), at);
  return file;
}

/** The file of a future version: another number, `extra` bytes more within the checkpoint, and more at the end. */
function future(extra: number): Buffer {
  const known = controlFileSample(18);
  const file = Buffer.concat([
    known.subarray(0, 64),
    Buffer.alloc(extra, 1),
    known.subarray(64, 292),
    Buffer.alloc(16, 2),
  ]);
  file.writeUInt32LE(1905, 8);
  const whole = Buffer.alloc(8192);
  whole.set(file);
  return sealed(whole, file.length);
}

describe("pg_control", () => {
  it("of PostgreSQL 15 says what pg_controldata says", () => {
    expect(parseControlFile(controlFileSample(15))).toEqual({
      known: true,
      systemIdentifier: "7710185899889174685",
      controlVersion: 1300,
      catalogVersion: 202209061,
      state: "shut-down",
      modifiedTime: Date.UTC(2026, 10, 20, 9, 39, 6),
      checkpointLsn: 0x17414f8n,
      redoLsn: 0x17414f8n,
      timeline: 1,
      previousTimeline: 1,
      fullPageWrites: true,
      nextXid: 724n,
      checkpointTime: Date.UTC(2026, 10, 20, 9, 39, 6),
      minRecoveryPoint: 0n,
      minRecoveryTimeline: 0,
      backupStartLsn: 0n,
      backupEndLsn: 0n,
      backupEndRequired: false,
      walLevel: "replica",
      walLogHints: false,
      maxConnections: 100,
      maxWorkerProcesses: 8,
      maxWalSenders: 10,
      maxPreparedTransactions: 0,
      maxLocksPerTransaction: 64,
      trackCommitTimestamp: false,
      blockSize: 8192,
      relationSegmentBlocks: 131072,
      walBlockSize: 8192,
      segmentSize: 16777216,
      dataChecksumVersion: 1,
    });
  });

  it.each(majors)("of PostgreSQL %i is read", (major) => {
    const file = parseControlFile(controlFileSample(major));
    expect(file).toMatchObject({
      known: true,
      state: "shut-down",
      maxConnections: 100,
      segmentSize: 16777216,
      dataChecksumVersion: 1,
    });
    expect(file.controlVersion).toBe(major >= 18 ? 1800 : major === 17 ? 1700 : 1300);
  });

  it.each(majors)("of PostgreSQL %i is refused when any single bit is wrong", (major) => {
    const sound = controlFileSample(major);
    const file = Buffer.from(sound);
    for (let bit = 0; bit < (checksumAt(major) + 4) * 8; bit += 1) {
      const at = bit >> 3;
      file[at] = (sound[at] ?? 0) ^ (1 << (bit & 7));
      expect(() => parseControlFile(file), `bit ${bit & 7} of byte ${at}`).toThrow(refused);
      file[at] = sound[at] ?? 0;
    }
  });

  it("cut off is refused", () => {
    for (const length of [0, 1, 8, 12, 288, 292, 511]) {
      expect(() => parseControlFile(controlFileSample(15).subarray(0, length))).toThrow(refused);
    }
    expect(parseControlFile(controlFileSample(15).subarray(0, 512)).known).toBe(true);
  });

  it("of zeros, of an older version, of another machine is refused, with the reason", () => {
    const older = controlFileSample(15);
    older.writeUInt32LE(1201, 8);
    const bigEndian = controlFileSample(15);
    bigEndian.writeUInt32BE(1300, 8);
    expect(() => parseControlFile(Buffer.alloc(8192))).toThrow(refused);
    expect(() => parseControlFile(older)).toThrow(/format 1201 of an unsupported version/);
    expect(() => parseControlFile(bigEndian)).toThrow(/big-endian/);
  });

  it.each([
    [16, 9, /unknown state 9/],
    [172, 7, /unknown wal_level 7/],
    [216, 8191, /impossible block size/],
    [224, 0, /impossible WAL block size/],
    [228, 3 * 1024 * 1024, /impossible WAL segment size/],
    [220, 0, /files of zero blocks/],
    [252, 2, /unknown checksum version 2/],
    [208, 1, /another number format/],
  ])("with the number at byte %i changed to %i is refused even with a right checksum", (at, value, why) => {
    const file = controlFileSample(15);
    file.writeUInt32LE(value, at);
    expect(() => parseControlFile(sealed(file, 288))).toThrow(why);
  });

  it.each([0, 8, 16])(
    "of a version to come, with %i bytes more in the middle, gives what can be found for certain",
    (extra) => {
      const file = parseControlFile(future(extra));
      expect(file).toMatchObject({
        known: false,
        controlVersion: 1905,
        systemIdentifier: "7710185895970150537",
        state: "shut-down",
        timeline: 1,
        nextXid: null,
        checkpointTime: null,
        minRecoveryPoint: null,
        walLevel: "replica",
        maxConnections: 100,
        maxWorkerProcesses: 8,
        maxWalSenders: 10,
        maxLocksPerTransaction: 64,
        blockSize: 8192,
        relationSegmentBlocks: 131072,
        segmentSize: 16777216,
        dataChecksumVersion: 1,
      });
      expect(formatLsn(file.redoLsn)).toBe("0/174B290");
    },
  );

  it("of a version to come is refused when a byte is wrong", () => {
    const file = future(8);
    file[200] = (file[200] ?? 0) ^ 1;
    expect(() => parseControlFile(file)).toThrow(refused);
  });

  it("is read from the middle of a larger buffer", () => {
    const buffer = Buffer.concat([Buffer.alloc(3), controlFileSample(17)]);
    expect(parseControlFile(buffer.subarray(3)).controlVersion).toBe(1700);
  });
});
