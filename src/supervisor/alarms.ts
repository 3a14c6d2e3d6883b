/** Everything that is wrong with a server at the moment, by what it is about: for status, checks and notifications. All from memory. */
import { join } from "node:path";
import type { AlarmSubject } from "../check/index.ts";
import type { ErrorSpec } from "../common/index.ts";
import type { MainOptions } from "../config/index.ts";
import { managementErrors, type ProblemSummary } from "../management/index.ts";
import { serverLayout, type CatalogEntry } from "../repository/index.ts";
import type { ServerState } from "../state/index.ts";
import { supervisorErrors } from "./errors.ts";
import { extraProblems } from "./extra-problems.ts";
import { lineageProblems } from "./lineages.ts";
import { pushProblems } from "./pushed-wal.ts";
import { drillProblems, overdueProblems, scheduleProblems } from "./schedule-problems.ts";
import type { SupervisedServer } from "./server.ts";
import type { SpaceMonitor } from "./space.ts";
import { damagedBackups } from "./verification-schedule.ts";

export interface AlarmSources {
  /** At the moment. */
  readonly main: () => MainOptions;
  readonly now: () => number;
  readonly entries: (server: string) => readonly CatalogEntry[];
  readonly space: SpaceMonitor;
  /** What the verifications that the daemon begins by itself have to say of a server. */
  readonly verification?: (server: string) => readonly ProblemSummary[];
}

export type Alarms = Readonly<Record<AlarmSubject, readonly ProblemSummary[]>>;

const advice = ({ code, hint }: ErrorSpec): Pick<ErrorSpec, "code" | "hint"> => ({ code, hint });

/** Directories of a server, which may lie on file systems of their own. */
export function placesOf({ name, options }: SupervisedServer, { baseDir }: MainOptions): string[] {
  const own = join(baseDir, serverLayout(name).directory);
  return [baseDir, own, join(baseDir, serverLayout(name).wal), options.workspace];
}

export function alarmsOf(server: SupervisedServer, sources: AlarmSources, state: ServerState = server.state()): Alarms {
  const entries = sources.entries(server.name);
  return {
    mode: modeAlarms(server),
    archiving: prefixed(server.archivingProblem, "finished WAL is not archived, it stays in its raw form"),
    pushes: pushProblems(server),
    "second-copy": server.secondCopy?.problems() ?? [],
    "hot-standby": server.hotStandby?.problems() ?? [],
    retention: prefixed(server.retentionProblem, "what is not to be kept any more is not removed"),
    receiver: receiverAlarms(server, state),
    follow: followAlarms(server),
    gaps: gapAlarms(state),
    lineage: lineageProblems(server, entries),
    damage: damagedBackups(entries),
    verification: sources.verification?.(server.name) ?? [],
    extra: extraProblems(server, entries),
    overdue: overdueProblems(server, entries, sources.now()),
    drill: drillProblems(server),
    schedule: scheduleProblems(server, entries),
    findings: server.findings,
    space: sources.space.problems(placesOf(server, sources.main())),
  };
}

/** As status lists them. */
export function alarmsInOrder(alarms: Alarms): ProblemSummary[] {
  return Object.values(alarms).flat();
}

function modeAlarms({ online, options }: SupervisedServer): ProblemSummary[] {
  if (online) return [];
  return [
    {
      ...advice(managementErrors.serverOffline.spec),
      message: `the server is offline: nothing is received, and its slot ${options.walSlot} keeps WAL on it`,
    },
  ];
}

function prefixed(problem: SupervisedServer["problem"], what: string): ProblemSummary[] {
  if (problem === undefined) return [];
  const { code, message, hint } = problem;
  return [{ code, message: `${what}: ${message}`, hint }];
}

function receiverAlarms({ name, problem }: SupervisedServer, { error }: ServerState): ProblemSummary[] {
  if (problem !== undefined) return [{ code: problem.code, message: problem.message, hint: problem.hint }];
  if (error === "") return [];
  return [{ code: error, message: `the receiver of ${name} is held up`, hint: "The log of the daemon says more." }];
}

function followAlarms({ follow }: SupervisedServer): ProblemSummary[] {
  if (follow?.since === undefined) return [];
  const { followed, since } = follow;
  return [
    {
      ...advice(supervisorErrors.takenOver.spec),
      message: `it receives WAL in the place of ${followed} since ${new Date(since).toISOString()}`,
    },
  ];
}

function gapAlarms({ gaps }: ServerState): ProblemSummary[] {
  if (gaps === 0) return [];
  return [
    {
      ...advice(supervisorErrors.walGap.spec),
      message: gaps === 1 ? "a range of WAL is missing" : `${gaps} ranges of WAL are missing`,
    },
  ];
}
