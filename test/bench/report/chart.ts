/** The report as a picture: a group of bars for each contest, Moneta's in colour. An SVG without script, for light and dark pages. */
import type { Round } from "../lines/index.ts";
import { number } from "./print.ts";
import { rowOf, wasBusy } from "./report.ts";
import type { Machine, Report, Row } from "./report.ts";

const WIDTH = 860;
const MARGIN = 28;
const NAME_WIDTH = 285;
const VALUE_WIDTH = 120;
const BAR = 16;
const PITCH = 24;
const TITLE_HEIGHT = 34;
const GROUP_GAP = 18;
const HEAD = 92;
const FOOT = 46;

const STYLE = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f; }
  .head { font-size: 20px; font-weight: 650; }
  .sub, .foot { font-size: 12px; fill: #656d76; }
  .title { font-weight: 650; }
  .unit { font-size: 12px; fill: #656d76; font-weight: 400; }
  .value { font-variant-numeric: tabular-nums; }
  .own { font-weight: 650; }
  .paper { fill: #ffffff; }
  .rule { stroke: #d0d7de; stroke-width: 1; }
  .moneta { fill: #0f8a6d; }
  .peer { fill: #9aa7b4; }
  .floor { fill: #dde3e9; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .sub, .foot, .unit { fill: #9198a1; }
    .paper { fill: #0d1117; }
    .rule { stroke: #30363d; }
    .moneta { fill: #2fbf98; }
    .peer { fill: #5b6774; }
    .floor { fill: #333c46; }
  }`;

/** Groups without a figure of Moneta and of somebody else have nothing to show. */
export function drawChart(report: Report): string {
  const rounds = report.findings.flatMap((finding) => finding.rounds).filter(isWorthShowing);
  let y = HEAD;
  const groups: string[] = [];
  for (const round of rounds) {
    const rows = shownRows(round);
    groups.push(drawGroup(round, rows, y));
    y += TITLE_HEIGHT + rows.length * PITCH + GROUP_GAP;
  }
  const height = y + FOOT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Moneta and its peers, measured on one machine">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}" rx="10"/>`,
    `<text class="head" x="${MARGIN}" y="42">Moneta and its peers</text>`,
    `<text class="sub" x="${MARGIN}" y="64">${escape(subtitle(report))}</text>`,
    legend(),
    ...groups,
    `<line class="rule" x1="${MARGIN}" x2="${WIDTH - MARGIN}" y1="${height - FOOT + 4}" y2="${height - FOOT + 4}"/>`,
    `<text class="foot" x="${MARGIN}" y="${height - 18}">${escape(footer(report.machine))}</text>`,
    "</svg>",
    "",
  ].join("\n");
}

function subtitle({ runs, scale, dataBytes }: Report): string {
  const size = dataBytes === undefined ? "" : ` (${(dataBytes / 1e9).toFixed(2)} GB)`;
  return `pgbench scale ${scale} and incompressible bytes${size}. Median of ${runs} interleaved ${runs === 1 ? "run" : "runs"}.`;
}

function footer(machine: Machine): string {
  const { processor, cores, kernel, postgres, node, when } = machine;
  const busy = wasBusy(machine) ? ". The machine was busy: rough figures" : "";
  return `${processor}, ${cores} cores, Linux ${kernel}, ${postgres}, Node ${node}, ${when.slice(0, 10)}${busy}`;
}

function legend(): string {
  const entries = [["moneta", "Moneta"], ["peer", "peers"], ["floor", "plain tools: what the bytes cost"]] as const;
  let x = WIDTH - MARGIN - 370;
  return entries
    .map(([role, text]) => {
      const at = x;
      x += 34 + text.length * 7.2;
      return `<rect class="${role}" x="${at}" y="30" width="12" height="12" rx="3"/><text class="sub" x="${at + 18}" y="40">${text}</text>`;
    })
    .join("");
}

function isWorthShowing(round: Round): boolean {
  const rows = shownRows(round);
  return rows.some(({ role }) => role === "moneta") && rows.some(({ role }) => role !== "moneta");
}

/** The best first, whoever it is. */
function shownRows(round: Round): Row[] {
  const rows = round.contests.map((contest) => rowOf(contest, round.metric)).filter(({ figure }) => Number.isFinite(figure));
  return rows.sort((a, b) => (round.metric === "value" ? b.figure - a.figure : a.figure - b.figure));
}

function drawGroup(round: Round, rows: readonly Row[], top: number): string {
  const longest = Math.max(...rows.map(({ figure }) => figure));
  const room = WIDTH - 2 * MARGIN - NAME_WIDTH - VALUE_WIDTH;
  const unit = round.metric === "value" ? "more is better" : "less is better";
  const parts = [`<text class="title" x="${MARGIN}" y="${top + 14}">${escape(round.title)} <tspan class="unit" dx="6">${unit}</tspan></text>`];
  for (const [index, row] of rows.entries()) {
    const y = top + TITLE_HEIGHT - 8 + index * PITCH;
    const own = row.role === "moneta" ? " own" : "";
    const length = Math.max(2, (row.figure / longest) * room);
    const x = MARGIN + NAME_WIDTH;
    parts.push(
      `<text class="name${own}" x="${x - 12}" y="${y + 12.5}" text-anchor="end">${escape(shortened(row.name))}</text>`,
      `<rect class="${row.role}" x="${x}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" rx="3"/>`,
      `<text class="value${own}" x="${(x + length + 8).toFixed(1)}" y="${y + 12.5}">${label(row, round)}</text>`,
    );
  }
  return parts.join("\n");
}

function label({ figure }: Row, round: Round): string {
  return round.metric === "value" ? `${Math.round(figure).toLocaleString("en")} ${round.unit ?? ""}` : `${number(figure)} s`;
}

const shortened = (name: string): string => (name.length > 40 ? `${name.slice(0, 39)}…` : name);

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
