/** The figures of a soak, for people. */
import type { KindOfProcess } from "./process-watch.ts";

export interface SoakReport {
  readonly seed: number;
  readonly minutes: number;
  readonly transactions: number;
  readonly acknowledgedMarkers: number;
  readonly backups: Readonly<Record<string, number>>;
  readonly restores: Readonly<Record<string, number>>;
  readonly rowsCompared: number;
  readonly segmentsCompared: number;
  readonly troubles: Readonly<Record<string, number>>;
  readonly connections: number;
  readonly biggestLagBytes: number;
  readonly longestOutageMs: number;
  readonly processes: readonly KindOfProcess[];
  readonly wrong: readonly string[];
}

export function formatReport(report: SoakReport): string {
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, times]) => `${name} ${times}`)
      .join(", ") || "none";
  const memory = report.processes.map(({ kind, processes, first, last, peak, growthMiB }) => {
    const figures = [first.rssMiB, last.rssMiB, peak.rssMiB, peak.pssMiB, peak.descriptors, Math.round(growthMiB * 10) / 10];
    return `  ${kind.padEnd(18)} ${String(processes).padStart(6)} ${figures.map((figure) => String(figure).padStart(9)).join("")}`;
  });
  return [
    `soak of ${report.minutes} minutes, seed ${report.seed}`,
    `transactions   ${report.transactions}, and ${report.acknowledgedMarkers} acknowledged marker rows`,
    `backups        ${list(report.backups)}`,
    `restores       ${list(report.restores)}`,
    `compared       ${report.rowsCompared} rows of restored servers, ${report.segmentsCompared} segments that restores copied with the server's own`,
    `troubles       ${list(report.troubles)}`,
    `connections    ${report.connections} to the primary`,
    `biggest lag    ${report.biggestLagBytes} bytes; longest without a WAL sender ${Math.round(report.longestOutageMs / 100) / 10} s`,
    "processes (MiB; RSS of the first and last seen, highest RSS and PSS, descriptors, growth of one over a minute old)",
    `  ${"kind".padEnd(18)} ${"number".padStart(6)}${["first", "last", "peak", "peak PSS", "fds", "growth"].map((head) => head.padStart(9)).join("")}`,
    ...memory,
    report.wrong.length === 0 ? "nothing was wrong" : `WRONG (${report.wrong.length}):`,
    ...report.wrong.map((line) => `  ${line}`),
  ].join("\n");
}
