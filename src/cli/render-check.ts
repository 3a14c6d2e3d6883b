/** Text of `check` for people, its exit statuses, and the text of `notify test`. */
import type { JsonObject } from "../management/index.ts";
import { flagIn, numberIn, objectsIn, textIn, timeIn } from "./document-fields.ts";
import { isoMinute } from "./render-backups.ts";
import { wrap } from "./table.ts";

const order = ["critical", "warning", "unknown", "ok", "skipped"];

const countIn = (response: JsonObject, key: string): number => Number(numberIn(response, key) ?? 0);

function summary(response: JsonObject): string {
  const counts = [
    ["Critical", "critical"],
    ["Warnings", "warning"],
    ["Unknown", "unknown"],
    ["Good", "ok"],
    ["Skipped", "skipped"],
    ["Ignored", "ignored"],
  ] as const;
  return counts.flatMap(([key, word]) => (countIn(response, key) === 0 ? [] : [`${countIn(response, key)} ${word}`])).join(", ");
}

function checkLines(check: JsonObject, width: number): string[] {
  const status = textIn(check, "Status") ?? "unknown";
  const wrong = ["critical", "warning", "unknown"].includes(status);
  const ignored = flagIn(check, "Ignored") === true;
  const word = ignored ? "ignored" : status;
  const head = `${wrong && !ignored ? "!" : " "} ${word.padEnd(8)}  ${(textIn(check, "Code") ?? "?").padEnd(width)}  `;
  const lines = wrap(textIn(check, "Message") ?? "?", 80, head, " ".repeat(head.length));
  if (!wrong || ignored) return lines;
  const fix = textIn(check, "Fix");
  return [
    ...lines,
    ...(fix === undefined ? [] : wrap(fix, 80, "    fix: ", "         ")),
    // As it stands, however long: it is there to be copied.
    ...(textIn(check, "Statement") ?? "").split("\n").flatMap((line) => (line === "" ? [] : [`    run: ${line}`])),
  ];
}

export function renderCheck(response: JsonObject): string[] {
  const checks = objectsIn(response, "Checks");
  const width = Math.max(0, ...checks.map((check) => (textIn(check, "Code") ?? "").length));
  const rank = (check: JsonObject): number => (flagIn(check, "Ignored") === true ? order.length : order.indexOf(textIn(check, "Status") ?? "unknown"));
  const at = timeIn(response, "Time");
  return [
    `${textIn(response, "Server") ?? "?"}: ${(textIn(response, "Status") ?? "unknown").toUpperCase()}${at === undefined ? "" : ` at ${isoMinute(at)}`}`,
    ...(checks.length === 0 ? [] : [...wrap(summary(response), 80, "  ", "  "), ""]),
    ...checks.toSorted((a, b) => rank(a) - rank(b)).flatMap((check) => checkLines(check, width)),
  ];
}

/** Exit status of an answer: that of the plugins of Nagios. One that cannot be read is unknown, never ok. */
export function checkStatus(response: JsonObject): number {
  const status = Number(numberIn(response, "ExitStatus") ?? 3);
  const said = textIn(response, "Status");
  const expected = { ok: 0, warning: 1, critical: 2, unknown: 3 }[said ?? "unknown"];
  return status === expected ? status : 3;
}

/** Without a daemon nothing is received: that is known, and critical. */
const daemonGone: readonly string[] = ["DAEMON_UNREACHABLE", "MANAGEMENT_CONNECTION_CLOSED", "MANAGEMENT_ANSWER_TIMEOUT", "DAEMON_STOPPING"];

/** Exit status of a check that could not be made: critical when the daemon does not answer, else unknown. */
export const failedCheckStatus = (code: string | undefined): number => (code !== undefined && daemonGone.includes(code) ? 2 : 3);

export function renderNotifyTest(response: JsonObject): string[] {
  const targets = objectsIn(response, "Targets");
  return targets.map((target) => `${textIn(target, "Target") ?? "?"} took the test.`);
}
