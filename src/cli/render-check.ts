/** Text of `check`, for people and as a plugin of Nagios, and of `notify test`. */
import { nagiosLines, pluginOutput, type Figure, type PluginStatus } from "../check/index.ts";
import type { MonetaError } from "../common/index.ts";
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

/** The answer as a plugin prints it. */
export function renderPlugin(response: JsonObject): string[] {
  const figures = objectsIn(response, "Figures").flatMap((figure): Figure[] => {
    const [label, value] = [textIn(figure, "Label"), numberIn(figure, "Value")];
    if (label === undefined || value === undefined) return [];
    const unit = textIn(figure, "Unit");
    const level = (key: string): number | undefined => {
      const found = numberIn(figure, key);
      return found === undefined ? undefined : Number(found);
    };
    return [{ label, value: Number(value), unit: unit === "s" || unit === "B" ? unit : "", warning: level("Warning"), critical: level("Critical") }];
  });
  return nagiosLines({
    server: textIn(response, "Server") ?? "?",
    status: textIn(response, "Status") ?? "unknown",
    results: objectsIn(response, "Checks").map((check) => ({
      code: textIn(check, "Code") ?? "?",
      status: textIn(check, "Status") ?? "unknown",
      message: textIn(check, "Message") ?? "?",
      fix: textIn(check, "Fix"),
      ignored: flagIn(check, "Ignored") === true,
    })),
    figures,
  });
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

/** The same as a plugin prints it. */
export function renderFailedPlugin({ code, message, hint }: Pick<MonetaError, "code" | "message" | "hint">): string[] {
  const status: PluginStatus = failedCheckStatus(code) === 2 ? "CRITICAL" : "UNKNOWN";
  return pluginOutput(status, message, [`${code} - ${hint}`]);
}

export function renderNotifyTest(response: JsonObject): string[] {
  const targets = objectsIn(response, "Targets");
  return targets.map((target) => `${textIn(target, "Target") ?? "?"} took the test.`);
}
