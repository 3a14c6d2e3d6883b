import { describe, expect, it } from "vitest";
import {
  backupResponse,
  buildResponse,
  cancelResponse,
  deleteResponse,
  encodeJson,
  infoResponse,
  keepResponse,
  listBackupResponse,
  modeResponse,
  parseJson,
  parseRequest,
  percentage,
  pingResponse,
  progressResponse,
  restoreResponse,
  statusDetailsResponse,
  statusResponse,
} from "../../../src/management/index.ts";
import type { JobSummary, JsonObject } from "../../../src/management/index.ts";
import { category, missing, readCapture } from "./captures.ts";
import { details, newer, older, primary, repository, server } from "./facts.ts";

const restore = {
  backup: newer,
  directory: "/srv/moneta/r1/primary-20261120090138",
  target: "the end of the archive",
  plan: [],
  dryRun: false,
  warnings: [],
};

/** Our whole answer to a recorded request, read back from its bytes as a peer would read it. */
function answerTo(request: JsonObject, response: JsonObject | null): JsonObject {
  const raw = parseRequest(encodeJson(request));
  return parseJson(encodeJson(buildResponse(raw, { status: true, response }, 0.4))) as JsonObject;
}

const conversations: readonly (readonly [string, JsonObject | null, readonly string[]])[] = [
  ["ping", pingResponse("0.1.0"), []],
  ["status", statusResponse({ ...repository, freeSpace: 76_236_754_944 }, [server]), []],
  [
    "status-empty",
    statusResponse({ ...repository, freeSpace: 76_266_811_392, usedSpace: 19_431_424 }, [
      { ...server, numberOfBackups: 0, serverSize: 19_431_424 },
    ]),
    [],
  ],
  ["status-details", statusDetailsResponse(repository, [server], false), []],
  // pgmoneta overwrites WAL with the delta; ours is the WAL that the backup keeps, as status details says.
  ["list-backup", listBackupResponse(primary, [older, newer]), ["Response.Backups[0].WAL"]],
  [
    "list-backup-desc",
    listBackupResponse(primary, [older, newer], "desc"),
    ["Response.Backups[0].WAL", "Response.Backups[1].WAL"],
  ],
  ["list-backup-empty", listBackupResponse(primary, []), []],
  ["info", infoResponse(details), []],
  ["info-annotated", infoResponse({ ...details, comments: "who|first note" }), []],
  ["backup", backupResponse(primary, older, 944), []],
  ["backup-second", backupResponse(primary, newer, 531), []],
  ["restore", restoreResponse(primary, restore), []],
  ["restore-position", restoreResponse(primary, restore), []],
  ["delete", deleteResponse(primary, older.label), []],
  ["retain", keepResponse(primary, { ...older, keep: true }, [older.label], false), []],
  ["retain-cascade", keepResponse(primary, { ...older, keep: true }, [older.label], true), []],
  ["expunge", keepResponse(primary, older, [older.label], false), []],
  ["annotate-add", infoResponse({ ...details, comments: "who|first note" }), []],
  ["annotate-update", infoResponse({ ...details, comments: "who|second" }), []],
  ["annotate-remove", infoResponse(details), []],
  ["mode-online", modeResponse(primary, true), []],
  ["mode-offline", modeResponse(primary, false), []],
  // Nothing runs: pgmoneta shows the end of the last job, we show that nothing runs.
  ["progress", progressResponse(primary, []), ["Response.Elapsed", "Response.Percentage"]],
  ["shutdown", null, []],
];

describe("response documents", () => {
  it.each(conversations)("%s has every key, type and value of pgmoneta's", (name, response, differing) => {
    const capture = readCapture(name);
    const answer = answerTo(capture.request, response);
    expect(missing(answer, capture.response, ["Outcome.Time", ...differing])).toEqual([]);
    expect(Object.keys(answer).sort()).toEqual(Object.keys(capture.response).sort());
    expect(category(answer, "Outcome").Time).toMatch(/^\d\d:\d\d:\d+\.\d{4}$/);
  });

  it("sends sizes beyond 2^53 without rounding", () => {
    const text =
      encodeJson(deleteResponse(primary, "x")) +
      encodeJson(listBackupResponse(primary, [{ ...older, backupSize: 2n ** 63n + 1n }]));
    expect(text).toContain("9223372036854775809");
  });

  it("sends an LSN as two unsigned halves", () => {
    const response = infoResponse({ ...details, startLsn: 0xab_ffff_fff8n });
    expect(response).toMatchObject({ StartHiLSN: 0xab, StartLoLSN: 0xffff_fff8 });
  });

  it("names parent and tablespaces", () => {
    const response = infoResponse({
      ...details,
      parent: older.label,
      tablespaces: [{ name: "fast", oid: 16_400, path: "/mnt/fast" }],
    });
    expect(response).toMatchObject({
      Incremental: true,
      IncrementalParent: older.label,
      NumberOfTablespaces: 1,
      Tablespaces: [{ TablespaceName: "fast", TablespaceOid: 16_400, TablespacePath: "/mnt/fast" }],
    });
  });

  it("tells the running job from those that wait", () => {
    const job: JobSummary = {
      id: "7",
      server: "primary",
      command: "backup",
      state: "running",
      phase: "base backup",
      doneBytes: 600,
      totalBytes: 1000n,
      elapsedMs: 2_500,
      bytesPerSecond: 240.4,
      remainingMs: 1_600,
    };
    const waiting: JobSummary = { ...job, id: "8", state: "waiting", phase: "none", reason: "waits for job 7", place: 1 };
    expect(progressResponse(primary, [job, waiting])).toMatchObject({
      ProgressState: 1,
      Done: 600,
      Total: 1000n,
      Elapsed: 2,
      Percentage: 60,
      Remaining: { string_value: "2s", value: 2 },
      Job: "7",
      Jobs: [{ Job: "7" }, { Job: "8", State: "waiting", Reason: "waits for job 7", Place: 1 }],
    });
    expect(cancelResponse(primary, [{ id: "7", command: "backup" }])).toMatchObject({
      Cancelled: [{ Job: "7", Command: "backup" }],
    });
  });

  it.each([
    [0, 0, 0],
    [1, 3, 33],
    [999, 1000, 99],
    [1000, 1000, 100],
    [2000, 1000, 100],
    [2n ** 60n, 2n ** 61n, 50],
  ])("%s of %s bytes are %s per cent", (done, total, expected) => {
    expect(percentage(done, total)).toBe(expected);
  });
});
