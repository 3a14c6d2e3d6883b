import type { Contest, Role, Sample } from "../measure/index.ts";
import { median, spread } from "../measure/index.ts";
import type { Line, LineReport, Metric } from "../lines/index.ts";

/** Where and with what it was measured. */
export interface Machine {
  readonly when: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly postgres: string;
  /** Cores that worked for others in the seconds before the first line. */
  readonly busyCores: number;
  /** Program → version, or null where it is not installed. */
  readonly programs: Readonly<Record<string, string | null>>;
}

/** Whether others had more than a tenth of the machine when it began: the clock then says more about them. */
export const wasBusy = ({ busyCores, cores }: Pick<Machine, "busyCores" | "cores">): boolean => busyCores > cores / 10;

export interface Finding extends LineReport {
  readonly number: number;
  readonly title: string;
  /** The line as a whole could not be measured. */
  readonly failure?: string;
}

export interface Report {
  readonly machine: Machine;
  readonly runs: number;
  readonly scale: number;
  readonly dataBytes?: number;
  readonly findings: readonly Finding[];
}

export interface Row {
  readonly name: string;
  readonly role: Role;
  readonly runs: number;
  /** In the metric of the round: seconds, processor seconds, or its unit. */
  readonly figure: number;
  readonly spread: number;
  readonly cpuSeconds: number;
  readonly serverCpuSeconds: number;
  readonly largestResident: number;
  readonly treeResident: number;
  readonly treeProportional?: number;
  readonly readStorage: number;
  readonly writtenStorage: number;
  readonly storedBytes?: number;
  readonly missing?: string;
  readonly failure?: string;
}

const figures: Readonly<Record<Metric, (sample: Sample) => number>> = {
  wall: (sample) => sample.wallSeconds,
  cpu: (sample) => sample.cpuSeconds,
  value: (sample) => sample.value ?? Number.NaN,
};

/** The samples of a contest as medians; peaks are peaks of all runs. */
export function rowOf(contest: Contest, metric: Metric): Row {
  const { samples, warmUp } = contest;
  const middle = (figure: (sample: Sample) => number): number => median(samples.map(figure));
  const storedBytes = median(samples.map((sample) => sample.storedBytes ?? 0));
  return {
    name: contest.name,
    role: contest.role,
    runs: samples.length,
    figure: middle(figures[metric]),
    spread: spread(samples.map(figures[metric])),
    cpuSeconds: middle((sample) => sample.cpuSeconds),
    serverCpuSeconds: middle((sample) => sample.serverCpuSeconds),
    largestResident: Math.max(...samples.map((sample) => sample.largestResident)),
    treeResident: Math.max(...samples.map((sample) => sample.treeResident)),
    ...(warmUp?.treeProportional === undefined ? {} : { treeProportional: warmUp.treeProportional }),
    readStorage: middle((sample) => sample.io.readStorage),
    writtenStorage: middle((sample) => sample.io.writtenStorage),
    ...(storedBytes > 0 ? { storedBytes } : {}),
    ...(contest.missing === undefined ? {} : { missing: contest.missing }),
    ...(contest.failure === undefined ? {} : { failure: contest.failure }),
  };
}

/** Whether Moneta itself failed somewhere: a goal that is not met is no failure, a backup that ends with an error is. */
export function monetaFailed(findings: readonly Finding[]): boolean {
  const contests = findings.flatMap(({ rounds }) => rounds.flatMap((round) => round.contests));
  return findings.some(({ failure }) => failure !== undefined) || contests.some(({ role, failure }) => role === "moneta" && failure !== undefined);
}

export function finding(line: Pick<Line, "number" | "title">, report: LineReport, failure?: string): Finding {
  return { number: line.number, title: line.title, ...report, ...(failure === undefined ? {} : { failure }) };
}

