/** The report as text for a terminal. */
import { textTable } from "../measure/index.ts";
import type { Round, Verdict } from "../lines/index.ts";
import { rowOf, wasBusy } from "./report.ts";
import type { Finding, Machine, Report, Row } from "./report.ts";

const MB = 1024 * 1024;

export function printMachine(machine: Machine): string {
  const absent = Object.entries(machine.programs).filter(([, version]) => version === null);
  const present = Object.entries(machine.programs).filter(([, version]) => version !== null);
  const lines = [
    `${machine.processor}, ${machine.cores} cores, ${(machine.memoryBytes / 1024 / MB).toFixed(0)} GB, Linux ${machine.kernel}, Node ${machine.node}, ${machine.postgres}`,
    present.map(([name, version]) => `${name} ${version ?? ""}`).join(", "),
    ...(absent.length === 0 ? [] : [`not installed, so not measured: ${absent.map(([name]) => name).join(", ")}`]),
    `busy beforehand: ${machine.busyCores.toFixed(1)} of ${machine.cores} cores${wasBusy(machine) ? " — the machine is busy: trust ratios a little, seconds not at all" : ""}`,
  ];
  return lines.join("\n");
}

/** Everything about one line: each contender's medians. */
export function printFinding(finding: Finding): string {
  const parts = finding.rounds.map(printRound);
  for (const note of finding.notes ?? []) parts.push(`  ${note}`);
  if (finding.failure !== undefined) parts.push(`  failed: ${finding.failure}`);
  return parts.join("\n\n");
}

function printRound(round: Round): string {
  const figure = round.metric === "wall" ? "seconds" : round.metric === "cpu" ? "CPU s" : (round.unit ?? "");
  const right = ["runs", figure, "spread", "CPU s", "server CPU s", "largest MB", "tree MB", "PSS MB", "read MB", "written MB", "stored MB"];
  const table = textTable(
    [{ title: round.title }, ...right.map((title) => ({ title, align: "right" as const }))],
    round.contests.map((contest) => cells(rowOf(contest, round.metric))),
  );
  const failures = round.contests.filter(({ failure }) => failure !== undefined);
  return [table, ...failures.map(({ name, failure }) => `  ${name} failed: ${failure ?? ""}`)].join("\n");
}

function cells(row: Row): string[] {
  if (row.runs === 0) return [row.name, row.missing ?? (row.failure === undefined ? "no run" : "failed")];
  const megabytes = (bytes: number | undefined): string => (bytes === undefined || bytes === 0 ? "–" : (bytes / MB).toFixed(0));
  return [
    row.name,
    String(row.runs),
    number(row.figure),
    `${(row.spread * 100).toFixed(0)} %`,
    row.cpuSeconds.toFixed(2),
    row.serverCpuSeconds.toFixed(2),
    ...[row.largestResident, row.treeResident, row.treeProportional, row.readStorage, row.writtenStorage, row.storedBytes].map(megabytes),
  ];
}

/** The goals, one row each. */
export function printVerdicts(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ number: line, title, verdicts, failure }) => {
    const own = verdicts.map((verdict, index) => [index === 0 ? String(line) : "", index === 0 ? title : "", verdict.goal, measured(verdict), said(verdict)]);
    return own.length > 0 || failure === undefined ? own : [[String(line), title, "", "", "failed"]];
  });
  return textTable([{ title: "line", align: "right" }, { title: "job" }, { title: "goal" }, { title: "measured", align: "right" }, { title: "" }], rows);
}

const measured = (verdict: Verdict): string => (verdict.measured === undefined ? "–" : `${number(verdict.measured)} ${verdict.unit}`);

function said({ state, reason }: Verdict): string {
  if (state === "close") return "not met, within 10 %";
  return state === "no figure" ? `no figure: ${reason ?? ""}` : state;
}

/** Three digits that mean something. */
export function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function printReport(report: Report): string {
  return [...report.findings.map(printFinding), printVerdicts(report.findings)].filter((part) => part !== "").join("\n\n");
}
