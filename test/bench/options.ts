/** The command line of the benchmarks. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";

export interface BenchOptions {
  /** Numbers of the lines to run. */
  readonly only: readonly number[];
  readonly runs: number;
  readonly scale: number;
  readonly relations: number;
  readonly walMegabytes: number;
  readonly json?: string;
  readonly chart?: string;
  readonly keep?: string;
  readonly with?: string;
  readonly profile?: string;
}

export const usage = `npm run bench [-- options]

  --only 1,2,9-11     only these lines of the targets (default: all)
  --runs N            runs that count, after one that does not (default 5)
  --scale N           pgbench's scale of the standard cluster (default 100: 1.9 GB)
  --relations N       tables and indexes of the cluster with many (default 20000)
  --wal N             megabytes of WAL to receive and to replay (default: 17 × scale)
  --json FILE         everything that was measured
  --with FILE         an earlier --json of this machine: its lines stand beside those that are measured now
  --chart FILE        a picture (SVG)
  --keep DIRECTORY    keeps the clusters that it makes there, and uses them the next time
  --profile DIRECTORY processor profiles of Moneta's processes; the figures are worth less then`;

/** The options, or what is wrong with them. */
export function readOptions(args: readonly string[], known: readonly number[]): BenchOptions | string {
  let values: Partial<Record<"only" | "runs" | "scale" | "relations" | "wal" | "json" | "chart" | "keep" | "with" | "profile", string>>;
  try {
    const text = { type: "string" } as const;
    const options = { only: text, runs: text, scale: text, relations: text, wal: text, json: text, chart: text, keep: text, with: text, profile: text };
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const only = values.only === undefined ? known : readNumbers(values.only);
  const strangers = only?.filter((one) => !known.includes(one)) ?? [];
  if (only === undefined || only.length === 0) return `--only wants numbers of lines, such as 1,2,9-11, not ${values.only ?? ""}`;
  if (strangers.length > 0) return `there is no line ${strangers.join(", ")}; there are ${known.toSorted((a, b) => a - b).join(", ")}`;
  const scale = Number(values.scale ?? 100);
  const numbers = {
    runs: Number(values.runs ?? 5),
    scale,
    relations: Number(values.relations ?? 20_000),
    walMegabytes: Number(values.wal ?? 17 * scale),
  };
  for (const [name, number] of Object.entries(numbers)) {
    if (!Number.isInteger(number) || number < 1) return `--${name === "walMegabytes" ? "wal" : name} wants a whole number from 1 up`;
  }
  const paths = (["json", "chart", "keep", "with", "profile"] as const).flatMap((name) => {
    const path = values[name];
    return path === undefined ? [] : [[name, resolve(path)] as const];
  });
  return { only, ...numbers, ...Object.fromEntries(paths) };
}

/** "1,9-11" → 1, 9, 10, 11. */
function readNumbers(text: string): number[] | undefined {
  const numbers: number[] = [];
  for (const part of text.split(",")) {
    const found = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part);
    if (found === null) return undefined;
    const [first, last] = [Number(found[1]), Number(found[2] ?? found[1])];
    for (let one = first; one <= last && one < first + 100; one += 1) numbers.push(one);
  }
  return numbers;
}
