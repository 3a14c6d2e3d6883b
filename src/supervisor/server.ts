/** One configured PostgreSQL server as the supervisor sees it: its settings, its receiver, its archiver, its records. */
import type { MonetaError } from "../common/index.ts";
import type { ServerOptions } from "../config/index.ts";
import type { Finding, ServerExtension } from "../ipc/index.ts";
import type { DrillRecord, ScheduleRecordsOf, WalConflict } from "../repository/index.ts";
import type { ServerState } from "../state/index.ts";
import type { Archiver } from "./archiver.ts";
import type { Follow } from "./follow.ts";
import type { CutOffJob } from "./job-journal.ts";
import type { JobCounts } from "./job-counts.ts";
import type { Lineages } from "./lineages.ts";
import type { Receiver, ServerRecordWriter } from "./receivers.ts";
import type { HotStandby } from "./hot-standby.ts";
import type { SecondCopy } from "./second-copy.ts";
import type { KnownTimeline } from "./timelines.ts";
import type { WalLedger } from "./wal-ledger.ts";

export interface SupervisedServer {
  readonly name: string;
  /** Place in the configuration and in the state segment. */
  readonly index: number;
  /** As the configuration has them now: what has begun keeps what it began with. */
  options: ServerOptions;
  readonly receiver: Receiver;
  archiver: Archiver;
  /** Undefined for a server that follows none. */
  follow: Follow | undefined;
  /** Undefined without `wal_shipping`. */
  secondCopy: SecondCopy | undefined;
  /** Undefined without `hot_standby`. */
  hotStandby: HotStandby | undefined;
  readonly record: ServerRecordWriter;
  /** Its complete segments. */
  readonly wal: WalLedger;
  readonly state: () => ServerState;
  online: boolean;
  /** What holds the receiver up, with message and hint; the record carries only its code. */
  problem: MonetaError | undefined;
  /** Why finished segments stay in their raw form at the moment. */
  archivingProblem: MonetaError | undefined;
  /** Why the last run of retention did not do what it should. */
  retentionProblem: MonetaError | undefined;
  /** What the receiver found of its server, though nothing holds it up. */
  findings: readonly Finding[];
  /** What the server has; undefined before it was asked. */
  extensions: readonly ServerExtension[] | undefined;
  /** The timelines that the repository knows, ascending. */
  timelines: readonly KnownTimeline[];
  /** The timeline of the newest moment that was proven before the start; undefined when there is none. */
  provenTimeline?: number | undefined;
  /** When a finished segment last got its final form since the daemon started, milliseconds since 1970. */
  lastArchived: number | undefined;
  /** Finished segments that wait for it. */
  unarchived: number;
  /** What became of its jobs. */
  readonly jobCounts: JobCounts;
  /** What `archive_command` pushed with other content than is stored; undefined before the first look. */
  pushConflicts?: readonly WalConflict[];
  /** Looks now whether `archive_command` brought something; nobody waits for it. */
  lookAtPushes?: () => void;
  /** What drills of it proved, the newest last. */
  drills: readonly DrillRecord[];
  /** Jobs of the daemon before this one that it did not bring to an end. */
  cutOff?: readonly CutOffJob[];
  /** What ran by itself, and what was skipped. */
  schedules: ScheduleRecordsOf;
  /** Which clusters it was. */
  lineages: Lineages;
  /** Called at each change of its record. */
  readonly watchers: Set<() => void>;
}

/** Resolves with whether `condition` came true before `signal` fired; looks again at every change of the record. */
export function waitForState(
  server: SupervisedServer,
  condition: () => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (result: boolean): void => {
      server.watchers.delete(look);
      signal.removeEventListener("abort", giveUp);
      resolve(result);
    };
    const look = (): void => {
      if (condition()) settle(true);
    };
    const giveUp = (): void => settle(false);
    server.watchers.add(look);
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    else look();
  });
}
