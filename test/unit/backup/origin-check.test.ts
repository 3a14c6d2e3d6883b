import { describe, expect, it } from "vitest";
import { checkOrigin, type Testimony } from "../../../src/backup/origin-check.ts";
import { formatBackupLabel, lsn, parseControlFile, timelineId } from "../../../src/postgres/index.ts";
import { controlFileSample } from "../postgres/control-file-samples.ts";

const control = controlFileSample(15);
const { systemIdentifier } = parseControlFile(control);
const at = (position: number, timeline = 1) => ({ lsn: lsn(position), timeline: timelineId(timeline) });
const range = (timeline: number, start: number, end: number) => ({ timeline: timelineId(timeline), start: lsn(start), end: lsn(end) });

const label = (start = 0x2000028, timeline = 1): Buffer =>
  formatBackupLabel({
    startLsn: lsn(start),
    startSegment: `0000000${timeline}0000000000000002`,
    checkpointLsn: lsn(0x2000060),
    method: "streamed",
    from: "primary",
    startTime: "2026-11-20 09:39:06 UTC",
    label: "moneta_20261120093906",
    timeline: timelineId(timeline),
  });

const testimony: Testimony = {
  systemIdentifier,
  result: { start: at(0x2000028), stop: at(0x2000100), checksumFailures: false },
  label: label(),
  control,
  manifest: { systemIdentifier, walRanges: [range(1, 0x2000028, 0x2000100)] },
};
const check = (changes: Partial<Testimony>) => () => checkOrigin({ ...testimony, ...changes });
const result = (start: ReturnType<typeof at>, stop: ReturnType<typeof at>) => ({ start, stop, checksumFailures: false });

describe("what arrived", () => {
  it("is one backup when all its witnesses agree, also without an identifier in the manifest (13 to 16)", () => {
    expect(check({})().label.checkpointLsn).toBe(lsn(0x2000060));
    expect(check({ manifest: { walRanges: testimony.manifest.walRanges } })().walRanges).toEqual(testimony.manifest.walRanges);
  });

  it("is refused when its label begins elsewhere, on another timeline, or is cut off", () => {
    expect(check({ label: label(0x2000060) })).toThrow(/backup_label begins at 0\/2000060/);
    expect(check({ label: label(0x2000028, 2) })).toThrow(/timeline 2, but the server said/);
    expect(check({ label: label().subarray(0, -1) })).toThrow(expect.objectContaining({ code: "BACKUP_LABEL_DAMAGED" }));
    expect(check({ label: Buffer.alloc(0) })).toThrow(expect.objectContaining({ code: "BACKUP_LABEL_DAMAGED" }));
  });

  it("is refused when its control file is of another cluster, or was torn while the server read it", () => {
    expect(check({ control: controlFileSample(17) })).toThrow(/"global\/pg_control" is of cluster/);
    const torn = Buffer.from(control);
    torn.writeUInt8(torn.readUInt8(100) ^ 0xff, 100);
    expect(check({ control: torn })).toThrow(expect.objectContaining({ code: "CONTROL_FILE_DAMAGED" }));
    expect(check({ control: control.subarray(0, 100) })).toThrow(expect.objectContaining({ code: "CONTROL_FILE_DAMAGED" }));
  });

  it("is refused when its manifest is of another cluster", () => {
    expect(check({ manifest: { ...testimony.manifest, systemIdentifier: "1" } })).toThrow(/"backup_manifest" is of cluster 1/);
  });
});

describe("the WAL that a backup needs", () => {
  it("is every range of the manifest, oldest first, when they reach from start to stop through a promotion", () => {
    const ranges = [range(3, 0x2500000, 0x3000000), range(1, 0x2000028, 0x2500000)];
    const { walRanges } = check({ result: result(at(0x2000028), at(0x3000000, 3)), manifest: { walRanges: ranges } })();
    expect(walRanges.map(({ timeline }) => timeline)).toEqual([1, 3]);
  });

  it.each([
    ["begins late", [range(1, 0x2000030, 0x2000100)]],
    ["ends early", [range(1, 0x2000028, 0x20000f8)]],
    ["is of another timeline", [range(2, 0x2000028, 0x2000100)]],
    ["overlaps", [range(1, 0x2000028, 0x2000100), range(2, 0x2000030, 0x2000100)]],
    ["is named twice", [range(1, 0x2000028, 0x2000100), range(1, 0x2000028, 0x2000100)]],
    ["is not named", []],
  ])("is not believed when it %s", (_how, walRanges) => {
    expect(check({ manifest: { walRanges } })).toThrow(expect.objectContaining({ code: "BACKUP_MISMATCH" }));
  });

  it("is not guessed when the timeline changed and the ranges have a hole", () => {
    const walRanges = [range(1, 0x2000028, 0x2400000), range(2, 0x2500000, 0x3000000)];
    const changed = result(at(0x2000028), at(0x3000000, 2));
    expect(check({ result: changed, manifest: { walRanges } })).toThrow(expect.objectContaining({ code: "BACKUP_TIMELINE_CHANGED" }));
  });
});
