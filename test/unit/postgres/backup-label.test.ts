import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatBackupLabel, lsn, parseBackupLabel, segmentName, timelineId } from "../../../src/postgres/index.ts";
import type { BackupLabel } from "../../../src/postgres/index.ts";

/** As PostgreSQL 15 writes it. */
const real = [
  "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)",
  "CHECKPOINT LOCATION: 0/2000060",
  "BACKUP METHOD: streamed",
  "BACKUP FROM: primary",
  "START TIME: 2026-11-20 09:39:06 UTC",
  "LABEL: pg_basebackup base backup",
  "START TIMELINE: 1",
  "",
].join("\n");
/** The end of that of an incremental backup of PostgreSQL 17. */
const incremental = `${real}INCREMENTAL FROM LSN: 0/1000028\nINCREMENTAL FROM TLI: 1\n`;
const historyFile = [
  "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)",
  "STOP WAL LOCATION: 0/2000100 (file 000000010000000000000002)",
  "CHECKPOINT LOCATION: 0/2000060",
  "BACKUP METHOD: streamed",
  "BACKUP FROM: primary",
  "START TIME: 2026-11-20 09:39:06 UTC",
  "LABEL: x",
  "START TIMELINE: 1",
  "STOP TIME: 2026-11-20 09:39:07 UTC",
  "STOP TIMELINE: 1",
  "",
].join("\n");

const line = fc.string({ unit: "binary" }).filter((text) => !text.includes("\n") && !/\p{Surrogate}/u.test(text));
const anyLabel: fc.Arbitrary<BackupLabel> = fc
  .record({
    at: fc.bigInt({ min: 0n, max: 0xffff_0000_0000_0000n }),
    timeline: fc.integer({ min: 1, max: 0xffff_ffff }),
    from: fc.constantFrom("primary" as const, "standby" as const),
    label: line,
    builds: fc.boolean(),
    stops: fc.boolean(),
  })
  .map(({ at, timeline, from, label, builds, stops }) => ({
    startLsn: lsn(at),
    startSegment: segmentName(timelineId(timeline), lsn(at), 1 << 24),
    checkpointLsn: lsn(at + 100n),
    method: "streamed",
    from,
    startTime: "2026-11-20 09:39:06 UTC",
    label,
    timeline: timelineId(timeline),
    ...(builds ? { incrementalFrom: { lsn: lsn(at / 2n), timeline: timelineId(1) } } : {}),
    ...(stops
      ? {
          stop: {
            lsn: lsn(at + 200n),
            segment: segmentName(timelineId(timeline), lsn(at + 200n), 1 << 24),
            time: "later",
            timeline: timelineId(timeline),
          },
        }
      : {}),
  }));

describe("backup_label", () => {
  it("is read, and written the same", () => {
    const label = parseBackupLabel(real);
    expect(label).toEqual({
      startLsn: 0x2000028n,
      startSegment: "000000010000000000000002",
      checkpointLsn: 0x2000060n,
      method: "streamed",
      from: "primary",
      startTime: "2026-11-20 09:39:06 UTC",
      label: "pg_basebackup base backup",
      timeline: 1,
    });
    for (const text of [real, incremental, historyFile])
      expect(formatBackupLabel(parseBackupLabel(text)).toString()).toBe(text);
    expect(parseBackupLabel(incremental).incrementalFrom).toEqual({ lsn: 0x1000028n, timeline: 1 });
    expect(parseBackupLabel(historyFile).stop?.lsn).toBe(0x2000100n);
  });

  it("of PostgreSQL 13 names its primary with another word", () => {
    expect(parseBackupLabel(real.replace("FROM: primary", "FROM: master"))).toEqual(parseBackupLabel(real));
  });

  it("survives writing and reading", () => {
    fc.assert(
      fc.property(anyLabel, (label) => {
        expect(parseBackupLabel(formatBackupLabel(label))).toEqual(label);
      }),
    );
  });

  it("keeps a label that is not UTF-8", () => {
    const bytes = Buffer.concat([Buffer.from(real.replace("pg_basebackup base backup", "x")), Buffer.alloc(0)]);
    bytes[bytes.indexOf("LABEL: x") + 7] = 0xff;
    const label = parseBackupLabel(bytes);
    expect(label.label).toBe("\udcff");
    expect(formatBackupLabel(label).equals(bytes)).toBe(true);
  });

  it("keeps a label with every kind of white space but a line feed", () => {
    const label = { ...parseBackupLabel(real), label: "a\rb\u2028c\u2029 d\t " };
    expect(parseBackupLabel(formatBackupLabel(label))).toEqual(label);
  });

  it("cut anywhere is refused", () => {
    for (let length = 0; length < real.length; length += 1) {
      expect(() => parseBackupLabel(real.slice(0, length))).toThrow(
        expect.objectContaining({ code: "BACKUP_LABEL_DAMAGED" }),
      );
    }
  });

  it.each([
    ["START TIMELINE: 1", "START TIMELINE: 2", "not on its timeline"],
    ["START TIMELINE: 1", "START TIMELINE: 0", "no timeline"],
    ["START TIMELINE: 1", "START TIMELINE: 1\nSTART TIMELINE: 1", "twice"],
    ["primary", "nowhere", "comes from"],
    ["0/2000028", "0-2000028", "no position and file"],
    ["000000010000000000000002", "00000001000000000000000", "no position and file"],
    ["CHECKPOINT LOCATION: 0/2000060", "CHECKPOINT LOCATION: 0/2000060x", "no position"],
    ["BACKUP METHOD: streamed\n", "", "lacks the line BACKUP METHOD"],
    ["START TIMELINE: 1", "START TIMELINE: 1\nINCREMENTAL FROM LSN: 0/1", "half"],
  ])("with %j turned into %j is refused", (from, to, why) => {
    expect(() => parseBackupLabel(real.replace(from, to))).toThrow(
      expect.objectContaining({ code: "BACKUP_LABEL_DAMAGED", message: expect.stringContaining(why) as string }),
    );
  });

  it("is not written with a label of several lines", () => {
    expect(() => formatBackupLabel({ ...parseBackupLabel(real), label: "a\nSTART TIMELINE: 7" })).toThrow(
      expect.objectContaining({ code: "BACKUP_LABEL_DAMAGED" }),
    );
  });
});
