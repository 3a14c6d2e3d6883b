/** Text of backups: `list-backup`, `info`, and the end of a `backup`. */
import { formatByteSize, formatDuration } from "../common/index.ts";
import type { JsonObject } from "../management/index.ts";
import { flagIn, lsnIn, numberIn, objectsIn, textIn, textsIn, timeIn } from "./document-fields.ts";
import { commentLines } from "./comment-lines.ts";
import { formatPairs, formatTable, wrap } from "./table.ts";
import { compressionName, encryptionName } from "./translate.ts";

/** A size of an answer for people. */
export const sizeIn = (object: JsonObject, key: string): string | undefined => {
  const bytes = numberIn(object, key);
  return bytes === undefined ? undefined : formatByteSize(bytes);
};

/** Version of PostgreSQL, `15.18`; undefined while unknown. */
export function versionIn(object: JsonObject): string | undefined {
  const major = numberIn(object, "MajorVersion");
  return major === undefined || major === 0 ? undefined : `${major}.${numberIn(object, "MinorVersion") ?? 0}`;
}

/** When a backup was taken: as recorded, else by its label, which pgmoneta writes in local time. */
function startOf(backup: JsonObject): number | undefined {
  const recorded = timeIn(backup, "StartTime");
  if (recorded !== undefined) return recorded;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(textIn(backup, "Backup") ?? "");
  if (match === null) return undefined;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  return new Date(year, month - 1, day, hour, minute, second).getTime();
}

/** `3 h 05 min`, in one unit for a table; empty for a time in the future, which no age describes. */
export function formatAge(ms: number): string {
  if (ms < 0) return "";
  const seconds = Math.floor(ms / 1000);
  for (const [unit, length] of [
    ["y", 31_557_600],
    ["mo", 2_629_800],
    ["w", 604_800],
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
  ] as const) {
    const count = Math.floor(seconds / length);
    if (count >= (unit === "mo" || unit === "w" || unit === "d" ? 2 : 1)) return `${count} ${unit}`;
  }
  return `${seconds} s`;
}

/** What can be said of the state of a backup in a word or two. */
function stateOf(backup: JsonObject): string {
  const valid = numberIn(backup, "Valid");
  const state = valid === 1 ? "valid" : valid === 0 ? "INVALID" : "unknown";
  return flagIn(backup, "Keep") === true ? `${state}, retained` : state;
}

/** What else must be known about a backup, one sentence each. */
function remarksOn(backup: JsonObject): string[] {
  const bad = numberIn(backup, "BadPages") ?? 0;
  const problem = textIn(backup, "Problem");
  const drill = textIn(backup, "DrillFailure");
  return [
    ...(problem === undefined ? [] : [problem]),
    ...(drill === undefined ? [] : [`its last drill failed: ${drill}`]),
    ...(bad > 0 ? [`${bad} ${Number(bad) === 1 ? "page" : "pages"} of the source had a wrong checksum`] : []),
  ];
}

const typeOf = (backup: JsonObject): string | undefined => {
  const incremental = flagIn(backup, "Incremental");
  return incremental === undefined ? undefined : incremental ? "incr" : "full";
};

/** The table of backups; used by `list-backup` and `status details`. */
export function backupTable(backups: readonly JsonObject[], now: number): string[] {
  const table = formatTable(
    [
      { heading: "LABEL" },
      { heading: "AGE", align: "right" },
      { heading: "TYPE" },
      { heading: "STORED", align: "right" },
      { heading: "SHARED", align: "right" },
      { heading: "RESTORED", align: "right" },
      { heading: "WAL", align: "right" },
      { heading: "TL", align: "right" },
      { heading: "STATE" },
    ],
    backups.map((backup) => {
      const start = startOf(backup);
      return [
        textIn(backup, "Backup"),
        start === undefined ? undefined : formatAge(now - start),
        typeOf(backup),
        sizeIn(backup, "OwnSize") ?? sizeIn(backup, "BackupSize"),
        // The column is there once something is shared.
        Number(numberIn(backup, "SharedSize") ?? 0) > 0 ? sizeIn(backup, "SharedSize") : undefined,
        sizeIn(backup, "RestoreSize"),
        sizeIn(backup, "WAL"),
        numberIn(backup, "StartTimeline")?.toString(),
        stateOf(backup),
      ];
    }),
  );
  const remarks = backups.flatMap((backup) =>
    remarksOn(backup).flatMap((remark) => wrap(`${textIn(backup, "Backup") ?? "?"}: ${remark}`, 76, "! ", "  ")),
  );
  const comments = backups.flatMap((backup) => {
    const parent = textIn(backup, "IncrementalParent");
    const lines = [...(parent === undefined ? [] : [`incremental on ${parent}`]), ...commentLines(textIn(backup, "Comments"))];
    return lines.length === 0 ? [] : wrap(`${textIn(backup, "Backup") ?? "?"}: ${lines.join("; ")}`, 76, "# ", "  ");
  });
  return [...table, ...verifiedLines(backups, now), ...provenLines(backups, now), ...remarks, ...comments];
}

/** Which backups were read back, in one sentence; nothing where none was. */
function verifiedLines(backups: readonly JsonObject[], now: number): string[] {
  const read = backups.flatMap((backup) => {
    const time = timeIn(backup, "VerifiedAt");
    return time === undefined ? [] : [{ label: textIn(backup, "Backup") ?? "?", time }];
  });
  if (read.length === 0) return [];
  const oldest = read.reduce((first, each) => (each.time < first.time ? each : first));
  const since = `${formatAge(Math.max(0, now - oldest.time))} ago (${oldest.label})`;
  return wrap(`${read.length} of ${backups.length} verified, the longest ago ${since}`, 78);
}

/** Which backups drills proved. */
function provenLines(backups: readonly JsonObject[], now: number): string[] {
  const proven = backups.flatMap((backup) => {
    const time = timeIn(backup, "ProvenAt");
    return time === undefined ? [] : [{ label: textIn(backup, "Backup") ?? "?", time }];
  });
  const last = proven.reduce<(typeof proven)[number] | undefined>((newest, each) => (newest === undefined || each.time > newest.time ? each : newest), undefined);
  if (last === undefined) return [];
  return wrap(`${proven.length} of ${backups.length} proven by a drill, the last ${formatAge(Math.max(0, now - last.time))} ago (${last.label})`, 78);
}

/** `list-backup`. */
export function renderList(response: JsonObject, now: number): string[] {
  const server = textIn(response, "Server") ?? "?";
  const backups = objectsIn(response, "Backups");
  const version = versionIn(response);
  const title = `${server}${version === undefined ? "" : ` (PostgreSQL ${version})`}`;
  if (backups.length === 0) return [`${title}: no backups yet.`, `Take one with: moneta-cli backup ${server}`];
  return [
    `${title}: ${backups.length} ${backups.length === 1 ? "backup" : "backups"}`,
    "",
    ...backupTable(backups, now),
  ];
}

export const isoMinute = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, " UTC");

const verdicts: Readonly<Record<string, string>> = { good: "good", remarks: "good, with remarks", bad: "DAMAGED" };

/** `info`. */
export function renderInfo(response: JsonObject, now: number): string[] {
  const start = timeIn(response, "StartTime");
  const end = timeIn(response, "EndTime");
  const verifiedAt = timeIn(response, "VerifiedAt");
  const elapsed = Number(numberIn(response, "Elapsed") ?? 0);
  const age = startOf(response);
  const provenAt = timeIn(response, "ProvenAt");
  const parent = textIn(response, "IncrementalParent");
  const shared = Number(numberIn(response, "SharedSize") ?? 0);
  const timelines = [numberIn(response, "StartTimeline"), numberIn(response, "EndTimeline")];
  const tablespaces = objectsIn(response, "Tablespaces");
  return formatPairs([
    ["Backup", textIn(response, "Backup")],
    ["Server", textIn(response, "Server")],
    ["PostgreSQL", versionIn(response)],
    ["System identifier", textIn(response, "SystemIdentifier")],
    ["State", stateOf(response)],
    ...remarksOn(response).map((remark): [string, string] => ["Remark", remark]),
    ["Type", parent === undefined ? (typeOf(response) ?? "full") : `incremental on ${parent}`],
    ["Age", age === undefined ? undefined : formatAge(now - age)],
    ["Verified", verifiedAt === undefined ? undefined : `${isoMinute(verifiedAt)}, ${verdicts[textIn(response, "Verification") ?? ""] ?? "?"}`],
    ["Started", start === undefined ? undefined : isoMinute(start)],
    ["Ended", end === undefined ? undefined : isoMinute(end)],
    ["Took", elapsed > 0 ? formatDuration(elapsed * 1000) : undefined],
    ["Stored", sizeIn(response, "OwnSize") ?? sizeIn(response, "BackupSize")],
    ["Shared", shared > 0 ? `${sizeIn(response, "SharedSize") ?? "?"} more in files of earlier backups` : undefined],
    ["Freed by a deletion", sizeIn(response, "FreedSize")],
    ["Restored", sizeIn(response, "RestoreSize")],
    ["Biggest file", sizeIn(response, "BiggestFileSize")],
    ["Compression", nameIn(response, "Compression", compressionName)],
    ["Encryption", nameIn(response, "Encryption", encryptionName)],
    ["Digests", textIn(response, "HashAlgorithm")],
    ["Start LSN", lsnIn(response, "Start")],
    ["Checkpoint LSN", lsnIn(response, "Checkpoint")],
    ["End LSN", lsnIn(response, "End")],
    ["Timeline", timelines[0] === timelines[1] ? timelines[0]?.toString() : timelines.join(" to ")],
    ["First WAL segment", textIn(response, "WAL")],
    ["WAL kept from here", sizeIn(response, "WALSize")],
    ...tablespaces.map((tablespace): [string, string | undefined] => {
      const path = textIn(tablespace, "TablespacePath");
      return ["Tablespace", `${textIn(tablespace, "TablespaceName") ?? "?"}${path === undefined ? "" : ` (${path})`}`];
    }),
    ["Proven", provenAt === undefined ? undefined : `by a drill at ${isoMinute(provenAt)}`],
    ...commentLines(textIn(response, "Comments")).map((line): [string, string] => ["Comment", line]),
  ]);
}

const nameIn = (object: JsonObject, key: string, name: (code: number) => string): string | undefined => {
  const code = numberIn(object, key);
  return code === undefined ? undefined : name(Number(code));
};

/** Sentences the operator should read, one a line, marked. */
export const warningLines = (response: JsonObject): string[] =>
  textsIn(response, "Warnings").flatMap((warning) => wrap(warning, 78, "warning: ", "  "));

/** The end of a `backup`. */
export function renderBackup(response: JsonObject): string[] {
  const elapsed = Number(numberIn(response, "Elapsed") ?? 0);
  const took = elapsed > 0 ? ` in ${formatDuration(elapsed * 1000)}` : "";
  const bad = numberIn(response, "BadPages") ?? 0;
  return [
    `Backup ${textIn(response, "Backup") ?? "?"} of ${textIn(response, "Server") ?? "?"} is ${numberIn(response, "Valid") === 1 ? "valid" : "NOT VALID"}: ` +
      `${sizeIn(response, "RestoreSize") ?? "?"} stored in ${sizeIn(response, "BackupSize") ?? "?"}${took}.`,
    ...(bad > 0
      ? wrap(
          `${bad} pages of the source have a wrong checksum; the backup is an exact copy of a damaged cluster`,
          78,
          "warning: ",
          "  ",
        )
      : []),
    ...warningLines(response),
  ];
}
