/** The report as one page of HTML that needs nothing else: no script, no font, no picture from anywhere. */
import { formatByteSize, formatDuration } from "../common/index.ts";
import { pageStyle } from "./page-style.ts";
import type { DrillCheckResult, DrillReport } from "./report.ts";

/** The page. Everything that came from outside is escaped. */
export function formatReportPage(report: DrillReport): string {
  const proven = report.outcome === "proven";
  const title = `Drill of ${report.server}, ${moment(report.started)}`;
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    // Whatever a name or a log line contains, nothing of it runs and nothing is fetched.
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>${escaped(title)}</title>`,
    `<style>${pageStyle}</style>`,
    "</head>",
    "<body>",
    `<main class="${proven ? "proven" : "failed"}">`,
    `<header><p class="kind">Restore drill</p><h1>${escaped(report.server)}</h1><p class="when">${escaped(moment(report.started))}</p></header>`,
    verdict(report),
    tiles(report),
    timeBar(report),
    `<section><h2>What was restored</h2>${pairs(restoredFacts(report))}</section>`,
    `<section><h2>Checks</h2>${report.checks.length === 0 ? "<p>The drill did not come so far.</p>" : report.checks.map(checkBlock).join("")}</section>`,
    databases(report),
    report.notes.length === 0
      ? ""
      : `<section><h2>Notes</h2><ul>${report.notes.map((note) => `<li>${escaped(note)}</li>`).join("")}</ul></section>`,
    report.serverLog === ""
      ? ""
      : `<section><h2>Log of the drilled server</h2>${outputBlock("The end of it", report.serverLog)}</section>`,
    `<footer>${escaped(report.writer)} · report ${escaped(report.id)} · ${report.signer === null ? "not signed" : `signed by ${escaped(report.signer)}`}</footer>`,
    "</main>",
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as HTML; control characters, which a page cannot hold, become visible. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "").replace(/[^\P{Cc}\n\t]/gu, "\u{fffd}");
}

const moment = (iso: string): string => iso.replace("T", " ").replace(/(?:\.\d+)?Z$/, " UTC");
const duration = (ms: number | null): string => (ms === null ? "–" : formatDuration(ms));

function verdict({ backup, failure, outcome, reached }: DrillReport): string {
  const label = backup === null ? "No backup" : `Backup ${escaped(backup.label)}`;
  if (outcome === "proven" && reached !== null) {
    const what = reached.transaction
      ? "the last transaction of"
      : "the end of the backup, with no transaction after it, at";
    return `<section class="verdict"><h2>Proven</h2><p>${label} came back as a running server, with ${what} <strong>${escaped(moment(reached.moment))}</strong>.</p></section>`;
  }
  return `<section class="verdict"><h2>Failed</h2><p>${label}: the drill failed in the step “${escaped(failure?.stage ?? "?")}”.</p><p class="reason">${escaped(failure?.message ?? "")}</p><p class="code">${escaped(failure?.code ?? "")}</p></section>`;
}

function tiles({ outcome, reached, restored, times }: DrillReport): string {
  const all: readonly (readonly [string, string])[] = [
    ["Time to recover", duration(times.recoverMs)],
    ["Restored", restored === null ? "–" : formatByteSize(restored.bytes)],
    [outcome === "proven" ? "Proven up to" : "Came up to", reached === null ? "–" : moment(reached.moment)],
  ];
  return `<section class="tiles">${all.map(([name, value]) => `<div><p>${name}</p><strong>${escaped(value)}</strong></div>`).join("")}</section>`;
}

function timeBar({ checks, times }: DrillReport): string {
  const steps = [
    ["restore", times.restoreMs],
    ["replay", times.replayMs],
    ...checks.filter(({ outcome }) => outcome !== "not run").map(({ name, elapsedMs }) => [name, elapsedMs] as const),
  ] as readonly (readonly [string, number | null])[];
  const known = steps.filter((step): step is readonly [string, number] => step[1] !== null);
  const sum = known.reduce((total, [, ms]) => total + ms, 0);
  if (sum === 0) return "";
  const parts = known.map(
    ([name, ms]) => `<span class="${name}" style="flex-grow:${Math.max(1, Math.round((ms * 1000) / sum))}"></span>`,
  );
  const legend = known.map(([name, ms]) => `<li><i class="${name}"></i>${name} <b>${escaped(duration(ms))}</b></li>`);
  return `<section><h2>Where the time went</h2><div class="bar">${parts.join("")}</div><ul class="legend">${legend.join("")}<li>in all <b>${escaped(duration(times.totalMs))}</b></li></ul></section>`;
}

function restoredFacts({
  backup,
  ended,
  position,
  program,
  reached,
  restored,
  started,
  target,
  timeline,
  walBytes,
}: DrillReport): [string, string][] {
  return [
    ["Backup", backup?.label ?? "–"],
    ["Taken", backup === null ? "–" : `ended ${moment(backup.ended)}`],
    ["PostgreSQL of the source", backup?.version ?? "–"],
    ["PostgreSQL of the drill", program ?? "–"],
    ["Position asked for", position ?? "the end of the archive"],
    ["Target", target ?? "–"],
    ["Timeline", timeline === null ? "–" : String(timeline)],
    ["Last position replayed", reached?.lsn ?? "–"],
    ["Files", restored === null ? "–" : `${restored.files}, ${formatByteSize(restored.bytes)}`],
    ["WAL read", walBytes === null ? "–" : `up to ${formatByteSize(walBytes)}`],
    ["Began", moment(started)],
    ["Ended", moment(ended)],
  ];
}

const pairs = (facts: readonly (readonly [string, string])[]): string =>
  `<dl>${facts.map(([name, value]) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`).join("")}</dl>`;

const checkNames: Readonly<Record<DrillCheckResult["name"], string>> = {
  amcheck: "Tables and indexes",
  sql: "The operator's SQL",
};

function checkBlock({ elapsedMs, name, outcome, output, what }: DrillCheckResult): string {
  const time = outcome === "not run" ? "" : ` <span class="took">${escaped(duration(elapsedMs))}</span>`;
  const said = output.trim() === "" ? "" : outputBlock("What it said", output, outcome === "failed");
  return `<article class="check ${outcome.replace(" ", "-")}"><h3><span class="badge">${outcome}</span>${checkNames[name]}${time}</h3><p class="what">${escaped(what)}</p>${said}</article>`;
}

const outputBlock = (title: string, text: string, open = false): string =>
  `<details${open ? " open" : ""}><summary>${title}</summary><pre>${escaped(text)}</pre></details>`;

function databases({ databases: all }: DrillReport): string {
  if (all.length === 0) return "";
  const rows = all.map(
    ({ name, bytes }) => `<tr><td>${escaped(name)}</td><td>${escaped(formatByteSize(bytes))}</td></tr>`,
  );
  return `<section><h2>Databases</h2><table><thead><tr><th>Name</th><th>Size</th></tr></thead><tbody>${rows.join("")}</tbody></table></section>`;
}
