/** Text of `drill` and `schedule`. */
import { formatDuration } from "../common/index.ts";
import { isJsonObject, type JsonObject } from "../management/index.ts";
import { numberIn, objectsIn, textIn, timeIn } from "./document-fields.ts";
import { warningLines } from "./render-backups.ts";
import { formatPairs, formatTable, wrap } from "./table.ts";

const took = (response: JsonObject, key: string): string | undefined => {
  const seconds = numberIn(response, key);
  return seconds === undefined ? undefined : formatDuration(Number(seconds) * 1000);
};

const minute = (ms: number | undefined): string | undefined =>
  ms === undefined
    ? undefined
    : new Date(ms)
        .toISOString()
        .replace("T", " ")
        .replace(/\.\d+Z$/, " UTC");

const checkNames: Readonly<Record<string, string>> = { amcheck: "tables and indexes", sql: "SQL file" };

/** The end of a `drill` that proved its backup. */
export function renderDrill(response: JsonObject): string[] {
  const restored = took(response, "RestoreSeconds");
  const replayed = took(response, "ReplaySeconds");
  const checks = objectsIn(response, "Checks").map((check) => {
    const name = textIn(check, "Name") ?? "?";
    return `${checkNames[name] ?? name} ${textIn(check, "Outcome") ?? "?"}`;
  });
  return [
    ...wrap(
      `Proven: backup ${textIn(response, "Backup") ?? "?"} of ${textIn(response, "Server") ?? "?"} came back as a running server.`,
      78,
    ),
    ...formatPairs([
      ["  up to", minute(timeIn(response, "ProvenMoment"))],
      [
        "  in",
        took(response, "RecoverSeconds") === undefined
          ? undefined
          : `${took(response, "RecoverSeconds") ?? ""} (restore ${restored ?? "?"}, replay ${replayed ?? "?"})`,
      ],
      ["  checks", checks.join(", ")],
      ["  report", textIn(response, "Page")],
    ]),
    ...warningLines(response),
  ];
}

const nested = (object: JsonObject, key: string): JsonObject | undefined => {
  const value = object[key];
  return isJsonObject(value) ? value : undefined;
};

function lastLines(server: string, schedule: JsonObject): string[] {
  const kind = textIn(schedule, "Kind") ?? "?";
  const last = nested(schedule, "Last");
  const skipped = nested(schedule, "Skipped");
  const outcome = last === undefined ? undefined : textIn(last, "Outcome");
  const failed = last !== undefined && (outcome === "failed" || outcome === "cancelled");
  return [
    ...(failed
      ? wrap(
          `${server}: the ${kind} of ${minute(timeIn(last, "Time")) ?? "?"} ${outcome}: ${textIn(last, "Message") ?? "see the log"}`,
          78,
          "! ",
          "  ",
        )
      : []),
    ...(skipped === undefined
      ? []
      : wrap(
          `${server}: the ${kind} of ${minute(timeIn(skipped, "Time")) ?? "?"} was skipped: ${textIn(skipped, "Reason") ?? "?"}`,
          78,
          "! ",
          "  ",
        )),
  ];
}

/** `schedule`: a line for each thing that runs by itself, and what did not go as it should. */
export function renderSchedule(response: JsonObject): string[] {
  const all = objectsIn(response, "Servers").flatMap((server) =>
    objectsIn(server, "Schedules").map((schedule) => ({ server: textIn(server, "Server") ?? "?", schedule })),
  );
  if (all.length === 0) return ["Nothing runs by itself: set backup or drill in the configuration."];
  const table = formatTable(
    [{ heading: "SERVER" }, { heading: "WHAT" }, { heading: "WHEN" }, { heading: "NEXT" }, { heading: "LAST" }],
    all.map(({ server, schedule }) => {
      const [next] = objectsIn(schedule, "Next");
      const skip = next === undefined ? undefined : textIn(next, "Skip");
      const last = nested(schedule, "Last");
      return [
        server,
        textIn(schedule, "Kind"),
        textIn(schedule, "Schedule"),
        next === undefined
          ? "never"
          : `${minute(timeIn(next, "Time")) ?? "?"}${skip === undefined ? "" : ` (${skip})`}`,
        last === undefined ? undefined : textIn(last, "Outcome"),
      ];
    }),
  );
  const remarks = all.flatMap(({ server, schedule }) => lastLines(server, schedule));
  return [...table, ...(remarks.length === 0 ? [] : ["", ...remarks])];
}
