import type { Cluster } from "../../support/postgres-cluster.ts";
import type { Contender, Contest } from "../measure/index.ts";
import type { Bury, Programs } from "../setting/index.ts";

export type VerdictState = "met" | "close" | "not met" | "no figure";

/** A goal and what became of it. */
export interface Verdict {
  /** As people say it: "≤ 1.2 × pg_basebackup -Fp". */
  readonly goal: string;
  /** In the unit of the goal; absent when there is none to be had. */
  readonly measured?: number;
  readonly unit: "×" | "MB" | "%" | "s";
  /** "close": not met by less than a tenth, which is what two runs of the same program differ by. */
  readonly state: VerdictState;
  /** Why there is no figure. */
  readonly reason?: string;
}

/** How the contests of a line are to be read. */
export type Metric = "wall" | "value" | "cpu";

/** Contests that belong on one picture: the same work by several programs. */
export interface Round {
  readonly title: string;
  readonly metric: Metric;
  /** What `metric` "value" counts. */
  readonly unit?: string;
  readonly contests: readonly Contest[];
}

export interface LineReport {
  readonly rounds: readonly Round[];
  readonly verdicts: readonly Verdict[];
  readonly notes?: readonly string[];
}

/** What a line has to work with. What several lines need is made when the first of them asks, and is there until the end. */
export interface BenchContext {
  readonly runs: number;
  /** pgbench's scale of the standard cluster. */
  readonly scale: number;
  /** Tables and indexes of the cluster with many. */
  readonly relations: number;
  /** Megabytes of WAL for the lines that receive or replay it. */
  readonly walMegabytes: number;
  readonly profile?: string;
  readonly programs: Programs;
  readonly scratch: string;
  /** Instead of deleting what a run has written. */
  readonly bury: Bury;
  readonly standard: () => Promise<Cluster>;
  /** A tenth of the standard cluster, for what is slow. */
  readonly small: () => Promise<Cluster>;
  readonly manyRelations: () => Promise<Cluster>;
  /** The standard cluster as one tar file, and as a directory of files, for the tools that know no PostgreSQL. */
  readonly tar: (of: Cluster) => Promise<string>;
  readonly plain: (of: Cluster) => Promise<string>;
  readonly compare: (contenders: readonly Contender[], options?: { readonly runs?: number; readonly warmUp?: boolean }) => Promise<Contest[]>;
}

export interface Line {
  /** Its number among the targets. */
  readonly number: number;
  readonly title: string;
  readonly run: (context: BenchContext) => Promise<LineReport>;
}
