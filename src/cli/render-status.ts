/** Text of `status` and `status details`. */
import { formatByteSize, formatDuration } from "../common/index.ts";
import type { JsonObject } from "../management/index.ts";
import { flagIn, lsnIn, numberIn, objectsIn, textIn, timeIn } from "./document-fields.ts";
import { backupTable, formatAge, isoMinute, sizeIn, versionIn } from "./render-backups.ts";
import { renderJob } from "./render-progress.ts";
import { formatPairs, formatTable, wrap } from "./table.ts";

/** State of the WAL stream; pgmoneta's daemon tells only whether it runs, and only in the details. */
function streamOf(server: JsonObject): string | undefined {
  const state = textIn(server, "StreamState");
  if (state !== undefined) {
    const gaps = numberIn(server, "Gaps") ?? 0;
    return gaps > 0 ? `${state}, ${gaps} GAPS` : state;
  }
  const streaming = flagIn(server, "WalStreaming");
  return streaming === undefined ? undefined : streaming ? "streaming" : "NOT STREAMING";
}

/** How far the archive is behind the server, in bytes. */
function lagOf(server: JsonObject): string | undefined {
  const bytes = numberIn(server, "LagBytes");
  return bytes === undefined ? undefined : Number(bytes) === 0 ? "none" : formatByteSize(bytes);
}

/** The same with the time, where it is known. */
function lagInFull(server: JsonObject): string | undefined {
  const ms = Number(numberIn(server, "LagMilliseconds") ?? 0);
  const bytes = lagOf(server);
  return bytes === undefined || bytes === "none" || ms <= 0 ? bytes : `${bytes}, ${formatDuration(ms)}`;
}

const activities = ["Backup", "Restore", "Delete", "Archive", "Retention"] as const;
const activeIn = (server: JsonObject): string | undefined => {
  const active = activities
    .filter((name) => flagIn(server, `Active${name}`) === true)
    .map((name) => name.toLowerCase());
  const waiting = Number(numberIn(server, "WaitingJobs") ?? 0);
  const all = [...active, ...(waiting > 0 ? [`${waiting} waiting`] : [])];
  return all.length === 0 ? undefined : all.join(", ");
};

const problemLines = (server: JsonObject): string[] =>
  objectsIn(server, "Problems").flatMap((problem) => [
    ...wrap(`${textIn(server, "Server") ?? "?"}: ${textIn(problem, "Message") ?? "?"}`, 78, "! ", "  "),
    ...wrap(textIn(problem, "Hint") ?? "see the log", 78, "  fix: ", "       "),
    // As it stands, however long: it is there to be copied.
    ...(textIn(problem, "Statement") ?? "").split("\n").flatMap((line) => (line === "" ? [] : [`  run: ${line}`])),
  ]);

function header(response: JsonObject): string[] {
  const version = textIn(response, "MonetaVersion");
  const name = version === undefined ? `pgmoneta ${textIn(response, "ServerVersion") ?? ""}` : `Moneta ${version}`;
  const full = numberIn(response, "FullInMilliseconds");
  return [
    `${name}: ${sizeIn(response, "UsedSpace") ?? "?"} in the repository, ` +
      `${sizeIn(response, "FreeSpace") ?? "?"} of ${sizeIn(response, "TotalSpace") ?? "?"} free` +
      (full === undefined ? "" : `, full in ${formatDuration(Number(full))} at the present rate`),
  ];
}

/** `status`: one line a server, and what is wrong. */
export function renderStatus(response: JsonObject, now: number): string[] {
  const servers = objectsIn(response, "Servers");
  const table = formatTable(
    [
      { heading: "SERVER" },
      { heading: "PG" },
      { heading: "STATE" },
      { heading: "LAG", align: "right" },
      { heading: "BACKUPS", align: "right" },
      { heading: "SIZE", align: "right" },
      { heading: "PROVEN", align: "right" },
      { heading: "RUNNING" },
    ],
    servers.map((server) => [
      textIn(server, "Server"),
      versionIn(server),
      flagIn(server, "Online") === false ? "OFFLINE" : (textIn(server, "StreamState") ?? "online"),
      lagOf(server),
      numberIn(server, "NumberOfBackups")?.toString(),
      sizeIn(server, "ServerSize"),
      provenAge(server, now),
      activeIn(server),
    ]),
  );
  const problems = servers.flatMap(problemLines);
  return [...header(response), "", ...table, ...(problems.length > 0 ? ["", ...problems] : [])];
}

/** Ours says its policy; of pgmoneta's only the calendar is known. */
/** The age of the newest moment that a drill proved. */
function provenAge(server: JsonObject, now: number): string | undefined {
  const moment = timeIn(server, "ProvenMoment");
  return moment === undefined ? undefined : formatAge(now - moment);
}

function provenInFull(server: JsonObject): string | undefined {
  const moment = timeIn(server, "ProvenMoment");
  const at = timeIn(server, "ProvenAt");
  if (moment === undefined || at === undefined) return undefined;
  return `${isoMinute(moment)}, by the drill of ${textIn(server, "ProvenBackup") ?? "?"} at ${isoMinute(at)}`;
}

/** Of a server that was never another one nobody needs to know it. */
function clusterOf(server: JsonObject): string | undefined {
  const lineage = textIn(server, "Lineage");
  const former = Number(numberIn(server, "FormerLineages") ?? 0);
  if (lineage === undefined || former === 0) return undefined;
  return `${lineage}, after ${former} ${former === 1 ? "other" : "others"}`;
}

function retentionOf(server: JsonObject): string | undefined {
  const policy = textIn(server, "Retention");
  if (policy?.includes(":") === true) return policy;
  const words = (["Days", "Weeks", "Months", "Years"] as const).flatMap((unit) => {
    const count = Number(numberIn(server, `Retention${unit}`) ?? 0);
    return count > 0 ? [`${count} ${count === 1 ? unit.slice(0, -1).toLowerCase() : unit.toLowerCase()}`] : [];
  });
  return words.length === 0 ? undefined : words.join(", ");
}

/** `status details`: a block a server. */
export function renderStatusDetails(response: JsonObject, now: number): string[] {
  const blocks = objectsIn(response, "Servers").map((server) => {
    const lsn = lsnIn(server, "Flushed");
    const timeline = numberIn(server, "Timeline");
    const jobs = objectsIn(server, "Jobs");
    const backups = objectsIn(server, "Backups");
    const pairs = formatPairs([
      ["PostgreSQL", versionIn(server)],
      ["Mode", flagIn(server, "Online") === false ? "OFFLINE: no WAL is received" : "online"],
      [
        "Role",
        flagIn(server, "Primary") === undefined
          ? undefined
          : flagIn(server, "Primary") === true
            ? "primary"
            : "standby",
      ],
      ["WAL stream", streamOf(server)],
      ["Slot", textIn(server, "Slot")],
      [
        "On disk up to",
        lsn === undefined ? undefined : `${lsn}${timeline === undefined ? "" : ` on timeline ${timeline}`}`,
      ],
      ["Server is at", lsnIn(server, "Current")],
      ["Lag", lagInFull(server)],
      ["Proven up to", provenInFull(server)],
      ["Cluster", clusterOf(server)],
      [
        "Page checksums",
        flagIn(server, "Checksums") === undefined ? undefined : flagIn(server, "Checksums") === true ? "on" : "off",
      ],
      ["Retention", retentionOf(server)],
      ["Stored", sizeIn(server, "ServerSize")],
      ["Workers", numberIn(server, "Workers")?.toString()],
    ]).map((line) => `  ${line}`);
    const table = backups.length === 0 ? ["no backups yet"] : backupTable(backups, now);
    return [
      textIn(server, "Server") ?? "?",
      ...pairs,
      ...(jobs.length === 0 ? [] : ["", ...jobs.map((job) => `  ${renderJob(job)}`)]),
      "",
      ...table.map((line) => `  ${line}`),
      ...problemLines(server),
    ];
  });
  return [...header(response), ...blocks.flatMap((block) => ["", ...block])];
}
