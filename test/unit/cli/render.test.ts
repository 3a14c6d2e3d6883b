import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAge } from "../../../src/cli/render-backups.ts";
import { renderFailure } from "../../../src/cli/render-failure.ts";
import { describeJob, progressLine, readJob } from "../../../src/cli/render-progress.ts";
import type { JobView } from "../../../src/cli/render-progress.ts";
import { renderRefusedPlan, renderResponse } from "../../../src/cli/render.ts";
import { displayWidth, formatPairs, formatTable, printable, wrap } from "../../../src/cli/table.ts";
import {
  backupResponse,
  cancelResponse,
  filesCancelResponse,
  filesProgressResponse,
  commandNames,
  commandTable,
  deleteResponse,
  keepResponse,
  retentionResponse,
  encodeJson,
  infoResponse,
  jobProgress,
  listBackupResponse,
  modeResponse,
  parseJson,
  pingResponse,
  progressResponse,
  restoreResponse,
  statusDetailsResponse,
  statusResponse,
  verifyResponse,
} from "../../../src/management/index.ts";
import type { CommandName, JobSummary, JsonObject } from "../../../src/management/index.ts";
import { category, readCapture } from "../management/captures.ts";
import { createFileList } from "../../../src/verify/index.ts";
import { details, newer, older, primary, repository, server, verified } from "../management/facts.ts";

const now = Date.UTC(2026, 10, 20, 12);

const job: JobSummary = {
  id: "7",
  server: "primary",
  command: "backup",
  state: "running",
  phase: "base backup",
  doneBytes: 1_300_000_000,
  totalBytes: 2_900_000_000,
  elapsedMs: 4_200,
  bytesPerSecond: 310_000_000,
  remainingMs: 5_100,
};

const text = (command: CommandName, response: JsonObject): string => {
  // As it comes over the wire: what is not in the bytes must not be relied on.
  const received = parseJson(encodeJson(response)) as JsonObject;
  return renderResponse(command, received, now).join("\n");
};

const aged = {
  ...newer,
  startTime: now - 3 * 3600_000,
  endTime: now - 3 * 3600_000 + 12_400,
  timeline: 1,
  startLsn: 0x5000028n,
  endLsn: 0x5000100n,
};
const problem = {
  code: "SLOT_MISSING",
  message: "the replication slot moneta_primary does not exist on the server any more",
  hint: "SELECT pg_create_physical_replication_slot('moneta_primary', true), then take a new backup: WAL in between is lost.",
};
const busy = {
  ...server,
  backups: [
    { ...older, startTime: now - 9 * 86_400_000, timeline: 1 },
    { ...aged, badPages: 3, keep: true },
    { ...older, valid: false, problem: "its backup.info cannot be read" },
  ],
  jobs: [job, { ...job, id: "8", state: "waiting" as const, reason: "waits for job 7", place: 1 }],
  waiting: 1,
  active: { ...server.active, backup: true },
  problems: [
    problem,
    {
      code: "SYNCHRONOUS_COMMIT",
      message: "a commit waits for ever",
      hint: "Set it.",
      statement: "ALTER SYSTEM SET synchronous_commit = 'on';",
    },
  ],
  stream: { ...server.stream, gaps: 1, lagBytes: 48_000_000, lagMs: 65_000 },
};

const answers: Readonly<Partial<Record<CommandName, JsonObject>>> = {
  ping: pingResponse("0.1.0"),
  status: statusResponse(repository, [busy, { ...server, server: "reporting-europe", online: false }]),
  "status details": statusDetailsResponse(repository, [busy], false),
  "list-backup": listBackupResponse(primary, busy.backups),
  info: infoResponse({
    ...details,
    ...aged,
    elapsedMs: 12_400,
    tablespaces: [{ name: "fast", oid: 16_400, path: "/mnt/fast" }],
    systemIdentifier: "7312345678901234567",
  }),
  backup: backupResponse(primary, { ...aged, badPages: 3 }, 12_400, [
    "the server does not verify page checksums, so damage of its disk goes into the backup unseen",
  ]),
  restore: restoreResponse(primary, {
    backup: aged,
    directory: "/srv/restore/primary-20261120090138",
    target: "the end of the archive",
    plan: ["read backup", "fetch WAL"],
    dryRun: false,
    warnings: [],
  }),
  delete: deleteResponse(primary, older.label),
  retain: keepResponse(primary, { keep: true, valid: true, comments: null }, [older.label, newer.label], true),
  expunge: keepResponse(primary, { keep: false, valid: true, comments: null }, [older.label], false),
  annotate: infoResponse({
    ...details,
    comments: "who|first note,why|before the upgrade of the server in Frankfurt to the next major version",
  }),
  retention: retentionResponse(primary, {
    policy: "7, 4, 12, 5",
    minimum: 2,
    dryRun: true,
    decisions: [
      {
        label: older.label,
        keep: false,
        reason: "older than 7 days, and none of the 4 weekly, 12 monthly, 5 yearly ones",
        rules: [],
        storedBytes: 1,
      },
      {
        label: newer.label,
        keep: true,
        reason: "younger than 7 days; the backup of the week of 2026-11-16; the newest valid one",
        rules: ["days"],
        storedBytes: 1,
      },
    ],
    wal: [{ lineage: null, timeline: 1, from: "0/1000000", to: "0/5000000", files: 4, bytes: 67_108_864n }],
    freedBytes: 4_194_304,
    freedAtMost: true,
    warnings: [],
  }),
  mode: modeResponse(primary, false),
  progress: progressResponse(primary, [job]),
  cancel: cancelResponse(primary, [{ id: "7", command: "backup" }]),
  shutdown: {},
};

describe("text for people", () => {
  it("of a status shows a statement on a line of its own, and the retention", () => {
    const status = text("status details", answers["status details"] ?? {});
    expect(status.split("\n")).toContain("  run: ALTER SYSTEM SET synchronous_commit = 'on';");
    expect(text("status", answers.status ?? {})).toContain("  run: ALTER SYSTEM SET synchronous_commit = 'on';");
    expect(status).toMatch(/Retention +7 days, 4 weeks, 12 months, 5 years$/m);
    const window = statusDetailsResponse(repository, [{ ...busy, retentionPolicy: "window:14d" }], false);
    expect(text("status details", window)).toMatch(/Retention +window:14d$/m);
  });

  it.each(commandNames.filter((name) => commandTable[name].available))("of %s fits into 80 columns", (command) => {
    const lines = text(command, answers[command] ?? {}).split("\n");
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.filter((line) => displayWidth(line) > 80)).toEqual([]);
    expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
  });

  it("shows backups with age, sizes, timeline and state", () => {
    const lines = text("list-backup", answers["list-backup"] ?? {}).split("\n");
    expect(lines[0]).toBe("primary (PostgreSQL 15.18): 3 backups");
    expect(lines[2]).toMatch(/^LABEL +AGE +TYPE +STORED +RESTORED +WAL +TL +STATE$/);
    expect(lines[3]).toMatch(/^20261120090136 +9 d +full +7\.69 MB +7\.68 MB +32\.0 MB +1 +valid$/);
    expect(lines[4]).toMatch(/ 3 h .* valid, retained$/);
    expect(lines[5]).toMatch(/ INVALID$/);
    expect(lines.slice(6)).toEqual([
      "! 20261120090138: 3 pages of the source had a wrong checksum",
      "! 20261120090136: its backup.info cannot be read",
    ]);
  });

  it("shows what was proven, what a backup rests on and what people wrote to it, and of a verification how many are not named", () => {
    const backups = [{ ...older, comments: "why|before the upgrade,who|ada", provenAt: now - 7_200_000 }, { ...newer, parent: older.label }];
    const lines = text("list-backup", listBackupResponse(primary, backups)).split("\n");
    expect(lines).toContain("1 of 2 proven by a drill, the last 2 h ago (20261120090136)");
    expect(lines.slice(-2)).toEqual(["# 20261120090136: why: before the upgrade; who: ada", "# 20261120090138: incremental on 20261120090136"]);
    const shown = verifyResponse({ ...verified, allCount: 100_001 });
    expect(shown).toMatchObject({ NumberOfAll: 100_001 });
    expect(text("verify", shown)).toMatch(/^warning: 100001 files are as they were stored; an answer names 2 of them/m);
    expect(verifyResponse(verified)).toMatchObject({ NumberOfAll: 2, Warnings: [], Restorable: true });
    // Of what could not be read whole nobody knows whether it can be restored, and it is not damaged either.
    const unread = { ...verified, unread: [{ path: "data/x", reason: "EIO" }], unreadCount: 1 };
    expect(verifyResponse(unread)).toMatchObject({ Restorable: false });
    expect(text("verify", verifyResponse(unread))).toMatch(/^NOT VERIFIED: /);
    const harmful = { kind: "changed", place: "backup", path: "data/y", reason: "", harmful: true, original: null, calculated: null, blocks: [] } as const;
    expect(text("verify", verifyResponse({ ...unread, findings: [harmful], findingCount: 1, harmful: 1 }))).toMatch(/^DAMAGED: /);
    const list = createFileList(2);
    for (const path of ["a", "b", "c"]) list.add({ path, digest: "" });
    expect([list.count, list.named.map(({ path }) => path)]).toEqual([3, ["a", "b"]]);
  });

  it("says what to do where there is no backup", () => {
    const lines = text("list-backup", listBackupResponse(primary, [])).split("\n");
    expect(lines.at(-1)).toBe("Take one with: moneta-cli backup primary");
    expect(lines.filter((line) => displayWidth(line) > 80)).toEqual([]);
  });

  it("of a plan that cannot be carried out fits into 80 columns as well", () => {
    const lines = renderRefusedPlan({ ...answers.restore, Problems: ["the WAL is not complete: ".repeat(9)] });
    expect(lines.filter((line) => displayWidth(line) > 80)).toEqual([]);
    expect(lines).toContain("It CANNOT be carried out:");
  });

  it("shows lag, gaps and what is wrong with its remedy", () => {
    const shown = text("status", answers.status ?? {});
    expect(shown).toMatch(/^primary +15\.18 +streaming +45\.8 MB +2 +30\.9 MB +backup, 1 waiting$/m);
    expect(shown).toMatch(/^reporting-europe +15\.18 +OFFLINE/m);
    expect(text("status details", answers["status details"] ?? {})).toMatch(/^ {2}Lag +45\.8 MB, 1 min 05 s$/m);
    expect(shown).toContain("! primary: the replication slot moneta_primary does not exist");
    expect(shown).toContain("  fix: SELECT pg_create_physical_replication_slot('moneta_primary', true)");
  });

  it("shows positions as PostgreSQL writes them", () => {
    const shown = text(
      "info",
      infoResponse({
        ...details,
        startLsn: 0xab_0000_0028n,
        checkpointLsn: 0xab_0000_0060n,
        endLsn: 0xab_ffff_fff8n,
        startTimeline: 2,
        endTimeline: 3,
      }),
    );
    expect(shown).toMatch(/^Start LSN +AB\/28$/m);
    expect(shown).toMatch(/^End LSN +AB\/FFFFFFF8$/m);
    expect(shown).toMatch(/^Timeline +2 to 3$/m);
  });

  it("never calls a backup valid that the answer does not", () => {
    for (const valid of [0, -1, 2, null, "1", true]) {
      expect(text("backup", { ...answers.backup, Valid: valid })).toContain("is NOT VALID");
      expect(text("info", { ...answers.info, Valid: valid })).not.toMatch(/^State +valid/m);
    }
  });

  it("shows the steps of a plan and says that nothing was written", () => {
    const plan = text("restore", { ...answers.restore, DryRun: true });
    expect(plan).toContain("nothing was written");
    expect(plan).toContain("  1. read backup");
    expect(plan).not.toContain("pg_ctl");
    expect(text("restore", { ...answers.restore, Directory: "/srv/it's here" })).toContain(
      `pg_ctl -D '/srv/it'\\''s here' -o "-p <port>" start`,
    );
  });

  const recorded: readonly (readonly [string, CommandName, RegExp])[] = [
    ["ping", "ping", /pgmoneta 0\.22\.0/],
    ["status", "status", /^primary +online +2 +30\.9 MB$/m],
    ["status-details", "status details", /WAL stream +streaming/],
    ["list-backup", "list-backup", /20261120090138 .* 4\.09 MB .* valid/],
    ["list-backup-empty", "list-backup", /no backups yet/],
    ["info-annotated", "info", /^Comment +who: first note$/m],
    ["backup", "backup", /Backup 20261120090136 of primary is valid: 7\.68 MB stored in 7\.69 MB\./],
    ["restore", "restore", /Restored backup 20261120090138 of primary/],
    ["delete", "delete", /Deleted backup 20261120090136 of primary/],
    ["mode-online", "mode", /primary is online/],
    ["progress", "progress", /No job is running for primary/],
  ];
  it.each(recorded)("can be made of what pgmoneta's daemon answers to %s", (name, command, expected) => {
    expect(text(command, category(readCapture(name).response, "Response"))).toMatch(expected);
  });

  it("tells how the last job went to whoever left before its end", () => {
    const idle = progressResponse(primary, []);
    const failed = { Job: "7", Command: "backup", State: "failed", Message: "the disk is full", Hint: "Make room." };
    expect(text("progress", { ...idle, Last: failed })).toBe(
      "No job is running for primary.\nThe last one, backup (job 7), failed: the disk is full\n  fix: Make room.",
    );
    const done = { Job: "8", Command: "backup", State: "succeeded", Label: newer.label };
    expect(text("progress", { ...idle, Last: done })).toContain(`succeeded: ${newer.label}`);
  });

  it("survives answers of any shape", () => {
    fc.assert(
      fc.property(fc.constantFrom(...commandNames), fc.json(), (command, json) => {
        const value = parseJson(json);
        if (typeof value === "object" && value !== null && !Array.isArray(value))
          renderResponse(command, value as JsonObject, now);
      }),
    );
  });

  it("lets no name move the cursor", () => {
    const evil = "a\u001b[2Jb\r\nc\u009bd\u2028e";
    for (const command of commandNames) {
      const response = JSON.parse(
        JSON.stringify(answers[command] ?? {}, (_key, value: unknown) =>
          typeof value === "bigint" ? value.toString() : value,
        ).replaceAll("primary", JSON.stringify(evil).slice(1, -1)),
      ) as JsonObject;

      expect(
        renderResponse(command, response, now).filter((line) => /[\u0000-\u001f\u007f-\u009f\u2028]/.test(line)),
        command,
      ).toEqual([]);
    }
  });
});

describe("text of failures", () => {
  it("says what, where and how to fix it", () => {
    const lines = renderFailure(
      {
        command: "restore",
        message: "the segment 000000010000000000000005 is missing",
        code: "WAL_MISSING",
        number: 609,
        hint: "Restore to a moment before it.",
        details: ["worker 1"],
      },
      false,
    );
    expect(lines).toEqual([
      "moneta-cli: restore failed: the segment 000000010000000000000005 is missing",
      "  worker 1",
      "  fix:  Restore to a moment before it.",
      "  code: WAL_MISSING, error 609",
    ]);
  });

  it("breaks them at the width of a terminal, and leaves them whole for a file", () => {
    const message =
      `the WAL of primary ends at 0/C000148; ${"a target before it can be reached from backup 20261130025653; ".repeat(4)}`.trim();
    const failure = {
      command: "restore",
      message: `${message}\n${message}`,
      code: "X",
      number: 609,
      hint: "Take another.",
      details: [message],
    };
    for (const colour of [false, true]) {
      const lines = renderFailure(failure, colour, 80).map((line) => stripVTControlCharacters(line));
      expect(lines.filter((line) => displayWidth(line) > 80)).toEqual([]);
      expect(lines.join(" ").replaceAll(/\s+/g, " ").split(message)).toHaveLength(4);
    }
    expect(renderFailure(failure, false)).toEqual([
      `moneta-cli: restore failed: ${message}`,
      `  ${message}`,
      `  ${message}`,
      "  fix:  Take another.",
      "  code: X, error 609",
    ]);
  });

  it("keeps every line of a message that has several", () => {
    const lines = renderFailure(
      {
        command: "ping",
        message: "two faults\na:1: x\nb:2: y",
        code: undefined,
        number: undefined,
        hint: undefined,
        details: [],
      },
      true,
    );
    expect(lines.slice(1)).toEqual(["  a:1: x", "  b:2: y"]);
  });
});

describe("progress", () => {
  const view = readJob(parseJson(encodeJson(jobProgress(job))) as JsonObject);

  it("shows bar, per cent, bytes, rate and time left in 80 columns", () => {
    expect(progressLine(view, 80)).toBe(
      "base backup  [#####.......]   44 %  1.21 GB of 2.70 GB   296 MB/s  5.0 s left",
    );
    expect(describeJob(view)).toBe("backup (job 7): base backup, 44 %, 1.21 GB of 2.70 GB, 296 MB/s, 5.0 s left");
  });

  it("understands pgmoneta's progress, which has no jobs", () => {
    const theirs = readJob({
      ProgressState: 1,
      Done: 500,
      Total: 1000,
      Elapsed: 2,
      Percentage: 50,
      Remaining: { string_value: "2s", value: 2 },
    });
    expect(theirs).toMatchObject({ percentage: 50, bytesPerSecond: 250, remainingMs: 2000, elapsedMs: 2000 });
  });

  it("names no phase before there is one", () => {
    expect(describeJob(readJob({ Command: "restore", Job: "1", State: "running", Phase: "none" }))).toBe(
      "restore (job 1): running",
    );
  });

  it("names the file of a conversion, which belongs to no server", () => {
    const conversion: JobSummary = { id: "file-1", server: "", command: "compress", file: "/srv/a b", state: "running", phase: "none", doneBytes: 5, totalBytes: 10, elapsedMs: 1000, bytesPerSecond: 5, remainingMs: 1000 };
    expect(text("progress", filesProgressResponse([conversion]))).toBe("compress of /srv/a b (job file-1): 50 %, 5 B of 10 B, 5 B/s, 1.0 s left");
    const failed = { Job: "file-1", Command: "compress", SourceFile: "/srv/a b", State: "cancelled", Message: "an operator cancelled it" };
    expect(text("progress", { ...filesProgressResponse([]), Last: failed })).toBe(
      "No file is being converted.\nThe last one, compress (job file-1) of /srv/a b, cancelled: an operator\ncancelled it",
    );
    expect(text("cancel", filesCancelResponse([{ id: "file-1", command: "compress", file: "/srv/a b" }]))).toBe("Cancelled job file-1 (compress) of /srv/a b.");
  });

  it("says why a job waits", () => {
    expect(progressLine({ ...view, state: "waiting", reason: "waits for job 3", place: 2 }, 80)).toBe(
      "backup (job 7): waiting, waits for job 3, number 2 in line",
    );
  });

  it("never reaches the edge of the terminal, whatever there is to show", () => {
    const jobs: fc.Arbitrary<JobView> = fc.record({
      id: fc.option(fc.string(), { nil: undefined }),
      command: fc.string({ unit: "binary" }),
      file: fc.option(fc.string({ unit: "binary" }), { nil: undefined }),
      state: fc.constantFrom("running", "waiting", "cancelling"),
      phase: fc.option(fc.string({ unit: "binary", maxLength: 40 }), { nil: undefined }),
      done: fc.nat(),
      total: fc.nat(),
      percentage: fc.integer({ min: -5, max: 200 }),
      bytesPerSecond: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }), { nil: undefined }),
      elapsedMs: fc.nat(),
      remainingMs: fc.option(fc.nat(), { nil: undefined }),
      reason: fc.option(fc.string({ unit: "binary" }), { nil: undefined }),
      place: fc.option(fc.nat(), { nil: undefined }),
    });
    fc.assert(
      fc.property(jobs, fc.integer({ min: 10, max: 200 }), (any, width) => {
        const line = progressLine(any, width);
        expect(displayWidth(line)).toBeLessThan(width);

        expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
    );
  });
});

describe("tables", () => {
  it("lines up what is wide, narrow and combined", () => {
    const rows = formatTable(
      [{ heading: "A" }, { heading: "B" }],
      [
        ["日本", "x"],
        ["e\u0301", "y"],
        ["🐘", "z"],
      ],
    );
    const columns = rows.map((row) => displayWidth(row.slice(0, row.search(/[Bxyz]$/))));
    expect(new Set(columns).size).toBe(1);
  });

  it("leaves out columns that nobody fills", () => {
    expect(
      formatTable(
        [{ heading: "A" }, { heading: "B" }, { heading: "C", align: "right" }],
        [
          ["1", undefined, "2"],
          ["3", "", "44"],
        ],
      ),
    ).toEqual(["A   C", "1   2", "3  44"]);
    expect(
      formatPairs([
        ["Name", "x"],
        ["Other", undefined],
      ]),
    ).toEqual(["Name  x"]);
  });

  it("breaks sentences at blanks only", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1, maxLength: 20 }), (words) => {
        const lines = wrap(words.join(" "), 20, "- ", "  ");
        expect(lines.map((line) => line.slice(2)).join(" ")).toBe(words.join(" "));
        expect(lines.every((line) => line.length <= 20)).toBe(true);
      }),
    );
  });

  it("writes what cannot be printed as an escape", () => {
    expect(printable("a\u0007\udc80b")).toBe("a\\u0007\\udc80b");
  });

  it.each([
    [-1, ""],
    [0, "0 s"],
    [59_000, "59 s"],
    [61_000, "1 min"],
    [3_600_000, "1 h"],
    [47 * 3_600_000, "47 h"],
    [48 * 3_600_000, "2 d"],
    [13 * 86_400_000, "13 d"],
    [14 * 86_400_000, "2 w"],
    [70 * 86_400_000, "2 mo"],
    [400 * 86_400_000, "1 y"],
  ])("an age of %s ms is %j", (ms, age) => {
    expect(formatAge(ms)).toBe(age);
  });
});
