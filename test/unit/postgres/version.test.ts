import { describe, expect, it } from "vitest";
import {
  formatVersion,
  newestMajor,
  oldestMajor,
  parseServerVersion,
  versionTraits,
} from "../../../src/postgres/index.ts";

describe("the version table", () => {
  it("says where the protocol of base backups changed", () => {
    expect(versionTraits(140023)).toMatchObject({
      major: 14,
      minor: 23,
      known: true,
      baseBackupProtocol: "multiple-copies",
      baseBackupSyntax: "keywords",
      tarTerminated: false,
      readReplicationSlot: false,
      serverCompression: false,
      backupFunctionNames: { start: "pg_start_backup", stop: "pg_stop_backup" },
    });
    expect(versionTraits(150018)).toMatchObject({
      major: 15,
      minor: 18,
      known: true,
      baseBackupProtocol: "single-copy",
      baseBackupSyntax: "options",
      tarTerminated: true,
      readReplicationSlot: true,
      serverCompression: true,
      backupFunctionNames: { start: "pg_backup_start", stop: "pg_backup_stop" },
    });
  });

  it("knows every supported major", () => {
    const majors = Array.from({ length: newestMajor - oldestMajor + 1 }, (_, index) => oldestMajor + index);
    expect(majors.filter((major) => versionTraits(major * 10_000).lostSlotRecovers)).toEqual([13, 14, 15]);
    expect(majors.map((major) => versionTraits(major * 10_000).manifestVersion)).toEqual([1, 1, 1, 1, 2, 2]);
    expect(majors.map((major) => versionTraits(major * 10_000).controlVersion)).toEqual([
      1300, 1300, 1300, 1300, 1700, 1800,
    ]);
    expect(new Set(majors.map((major) => versionTraits(major * 10_000).walPageMagic)).size).toBe(majors.length);
  });

  it("treats a newer major like the newest known and says that it is not known", () => {
    const { walPageMagic, controlVersion, major, known, ...rest } = versionTraits(190000);
    const newest = versionTraits(newestMajor * 10_000);
    expect({ walPageMagic, controlVersion, major, known }).toEqual({
      walPageMagic: undefined,
      controlVersion: undefined,
      major: 19,
      known: false,
    });
    expect(newest).toMatchObject(rest);
  });

  it.each([120022, 90624, 0, -1, Number.NaN, 150000.5])("refuses %d", (version) => {
    expect(() => versionTraits(version)).toThrow(expect.objectContaining({ code: "POSTGRES_VERSION_UNSUPPORTED" }));
  });
});

describe("versions as texts", () => {
  it.each([
    ["15.18 (Debian 15.18-0+deb12u1)", 150018],
    ["13.23", 130023],
    ["18", 180000],
    ["15\n", 150000],
    ["19beta2", 190000],
    ["19devel", 190000],
    ["9.6.24", 90600],
  ])("reads %j", (text, version) => {
    expect(parseServerVersion(text)).toBe(version);
  });

  it.each(["", "PostgreSQL", "15.x", "x15", "15.18x"])("refuses %j", (text) => {
    expect(() => parseServerVersion(text)).toThrow(expect.objectContaining({ code: "POSTGRES_VERSION_UNSUPPORTED" }));
  });

  it("writes them as people do", () => {
    expect(formatVersion(150018)).toBe("15.18");
    expect(formatVersion(90624)).toBe("9.6");
  });
});
