/** Lines that were measured before, on the same kind of machine: a whole run takes longer than one may have in one piece. */
import { readFile } from "node:fs/promises";
import type { Machine, Report } from "./report.ts";

/**
 * An earlier report (`--json`), whose lines may stand beside those of this run. Throws when it was made on another kind of machine
 * or with other data: the two do not belong into one table.
 */
export async function readEarlier(path: string, now: Pick<Report, "machine" | "scale">): Promise<Report> {
  const earlier = JSON.parse(await readFile(path, "utf8")) as Report;
  const kind = ({ cores, postgres, processor }: Machine, scale: number): string => `${processor}, ${cores} cores, ${postgres}, scale ${scale}`;
  const [then, here] = [kind(earlier.machine, earlier.scale), kind(now.machine, now.scale)];
  if (then !== here) throw new Error(`${path} was measured elsewhere (${then}) and does not belong to this run (${here})`);
  return earlier;
}

/** Both reports as one: what was measured now stands, and of the earlier one what was not. */
export function withEarlier(now: Report, earlier: Report | undefined): Report {
  if (earlier === undefined) return now;
  const others = earlier.findings.filter(({ number }) => !now.findings.some((finding) => finding.number === number));
  const findings = [...now.findings, ...others].sort((a, b) => a.number - b.number);
  const dataBytes = now.dataBytes ?? earlier.dataBytes;
  return { ...now, runs: Math.min(now.runs, earlier.runs), ...(dataBytes === undefined ? {} : { dataBytes }), findings };
}
