import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { findPrograms, majorIn } from "../../../src/drill/find-programs.ts";
import {
  drillErrors,
  formatReportPage,
  hasScratch,
  removeLeftovers,
  type DrillReport,
} from "../../../src/drill/index.ts";
import { createBoundedText } from "../../../src/drill/run-program.ts";
import { complaintOfRoom, lastComplaint } from "../../../src/drill/run-server.ts";
import { openScratch } from "../../../src/drill/scratch.ts";
import { drillSettings } from "../../../src/drill/server-settings.ts";
import { createRecordingLogger } from "../supervisor/stand-ins.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const { signal } = new AbortController();

describe("the programs of a major", () => {
  async function installed(version: string): Promise<string> {
    const { path } = temporaryDirectory();
    await writeFile(join(path, "postgres"), `#!/bin/sh\necho '${version}'\n`, { mode: 0o755 });
    return path;
  }

  it("are those of the configured directory, or of PATH, and only of that major", async () => {
    const right = await installed("postgres (PostgreSQL) 99.4 (Debian)");
    const wrong = await installed("postgres (PostgreSQL) 98.1");
    const environment = { PATH: `${wrong}:${right}:/usr/bin` };
    const found = await findPrograms({ major: 99, configured: new Map(), environment, signal });
    expect(found).toMatchObject({ postgres: join(right, "postgres"), amcheck: undefined });
    const named = findPrograms({ major: 99, configured: new Map([[99, wrong]]), environment, signal });
    await expect(named).rejects.toThrow(/postgres_path names .*98\.1.*postgresql-99/s);
    const none = findPrograms({ major: 97, configured: new Map(), environment, signal });
    await expect(none).rejects.toSatisfy((error) => drillErrors.programsMissing.is(error));
  });

  it("say their major, also before a release", () => {
    expect(majorIn("postgres (PostgreSQL) 19beta1")).toBe(19);
    expect(majorIn("initdb (PostgreSQL) 15.1")).toBeUndefined();
  });
});

describe("scratch space", () => {
  it("is left alone while its drill lives, and removed once it does not", async () => {
    const { path } = temporaryDirectory();
    const workspace = join(path, "w");
    const { logger } = createRecordingLogger();
    const live = await openScratch(workspace, systemClock);
    const dead = join(workspace, "drill-0123456789ab");
    await mkdir(join(dead, "cluster"), { recursive: true });
    await mkdir(join(workspace, "somebody-elses"));
    expect(await hasScratch(workspace)).toBe(true);
    expect(await removeLeftovers(workspace, { clock: systemClock, logger })).toEqual([dead]);
    expect((await readdir(workspace)).sort()).toEqual([live.path.slice(workspace.length + 1), "somebody-elses"].sort());
    await live.remove();
    expect(await readdir(workspace)).toEqual(["somebody-elses"]);
  });

  it("is refused where others may write, and where no socket fits", async () => {
    const open = temporaryDirectory().path;
    const { chmod } = await import("node:fs/promises");
    await chmod(open, 0o777);
    await expect(openScratch(open, systemClock)).rejects.toThrow(/other accounts may write/);
    const long = join(temporaryDirectory().path, "x".repeat(90));
    await expect(openScratch(long, systemClock)).rejects.toThrow(/too long for a Unix socket/);
  });
});

it("the drilled server is told to keep away from everything, in the words of its version", () => {
  const settings = (major: number) => new Map(drillSettings(major, { hba: "/w/hba", socket: "/w/s" }, ""));
  expect(settings(15)).toEqual(
    new Map([
      ...settings(15),
      ["listen_addresses", ""],
      ["archive_mode", "off"],
      ["archive_library", ""],
      ["primary_conninfo", ""],
      ["max_logical_replication_workers", "0"],
      ["shared_preload_libraries", ""],
    ]),
  );
  expect(settings(14).has("archive_library")).toBe(false);
  expect(settings(14).get("stats_temp_directory")).toBe("pg_stat_tmp");
  expect(settings(15).has("stats_temp_directory")).toBe(false);
  expect(settings(17).get("event_triggers")).toBe("off");
  expect(settings(16).has("event_triggers")).toBe(false);
});

it("the reason of a server that did not open is its last serious line, with what belongs to it", () => {
  const log =
    "LOG:  starting\nFATAL:  could not find it\nDETAIL:  It is not there.\nLOG:  database system is shut down\n";
  expect(lastComplaint(log)).toBe("FATAL:  could not find it DETAIL:  It is not there.");
  expect(lastComplaint("")).toBe("it ended without a word");
});

it.each([
  'FATAL:  could not write to file "pg_wal/xlogtemp.77": No space left on device',
  'ERROR:  could not extend file "base/5/1259": Disk quota exceeded',
  'error: no space to write "/w/drill-1/cluster/pg_wal/RECOVERYXLOG"; 0 bytes are free now',
])("a server that ended for want of room is told from one that a backup ended: %s", (line) => {
  expect(complaintOfRoom(`LOG:  starting\n${line}\nLOG:  database system is shut down\n`)).toBe(line);
  expect(complaintOfRoom("FATAL:  could not locate a valid checkpoint record\nPANIC:  invalid page in block 7\n")).toBeUndefined();
});

it("a long output keeps its beginning and its end", () => {
  const text = createBoundedText(5);
  for (const piece of ["abc", "defghij", "klmno"]) text.add(piece);
  expect(text.text()).toMatch(/^abcde\n… 5 characters are left out …\nklmno$/);
});

it("a page shows what came from outside as text, and calls nothing proven that failed", () => {
  const report: DrillReport = {
    version: 1,
    id: "20261130000000-20261129000000",
    writer: "moneta 0.1.0",
    signer: "0123456789abcdef",
    server: "<b>primary</b>",
    outcome: "failed",
    started: "2026-11-30T00:00:00.000Z",
    ended: "2026-11-30T00:01:00.000Z",
    backup: { label: "20261129000000", version: "15.18", ended: "2026-11-29T00:01:00.000Z" },
    position: null,
    target: "the end of the archive",
    timeline: 1,
    reached: { moment: "2026-11-29T23:00:00.000Z", lsn: "0/5000000", transaction: true },
    restored: { files: 3, bytes: 4096 },
    walBytes: 1,
    times: { restoreMs: 1, replayMs: 1, recoverMs: 2, totalMs: 4 },
    program: "postgres (PostgreSQL) 15.18",
    databases: [{ name: "a&b", bytes: 1 }],
    checks: [
      { name: "sql", outcome: "failed", what: "f.sql", elapsedMs: 1, output: "<script>alert(1)</script>\u0007" },
    ],
    failure: { stage: "sql", code: "DRILL_FAILED", message: 'it\'s "bad"' },
    notes: [],
    serverLog: "",
  };
  const page = formatReportPage(report);
  expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;\u{fffd}");
  expect(page).toContain("&lt;b&gt;primary&lt;/b&gt;");
  expect(page).not.toMatch(/<script|<b>primary|Proven/);
});
