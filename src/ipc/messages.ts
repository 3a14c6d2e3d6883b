/**
 * Every message between the supervisor and its children, as unions told apart by `type`, each with the check that
 * what arrives really is one. Node's serialisation drops `code` and `name` of errors and cannot carry 64-bit
 * integers, so errors travel as `ErrorRecord` and positions as decimal text inside deltas.
 */
import type { ErrorRecord } from "../common/index.ts";
import { logLevels, type LogRecord } from "../log/index.ts";
import {
  checkDelta,
  configurationFields,
  jobFields,
  jobOwns,
  receiverOwns,
  serverConfigurationFields,
  serverFields,
  type Delta,
} from "../state/index.ts";
import { count, dictionary, flag, list, number, object, oneOf, optional, text, variants, type Check } from "./check.ts";
import { jobRequest, jobResult, walUse, type JobRequest, type JobResult, type WalUse } from "./job-request.ts";
import {
  repositorySettings,
  secrets,
  serverSettings,
  type RepositorySettings,
  type Secrets,
  type ServerSettings,
} from "./settings.ts";

/** Live configuration on its way down, in the form of `state/delta`. */
export interface LiveSettings {
  readonly configuration: Delta;
  readonly server: Delta;
}

/** What a receiver is to do. */
export interface ReceiverRole {
  /** Its server follows another one, so that WAL which it does not have may be stored for that one. */
  readonly follows: boolean;
  /** To receive; else only to keep the slot. */
  readonly streams: boolean;
  /** Up to where the WAL of the followed server is durable, as far as that is known. */
  readonly stored?: StoredPosition;
}
/** A position as PostgreSQL prints it, in the WAL of a server of that name. */
export interface StoredPosition {
  readonly server: string;
  readonly timeline: number;
  readonly lsn: string;
}
export interface ReceiverStart {
  readonly type: "start";
  /** What the process is to call itself; absent when titles are not wanted. */
  readonly title?: string;
  readonly server: ServerSettings;
  readonly repository: RepositorySettings;
  readonly secrets: Secrets;
  readonly live: LiveSettings;
  /** The server's record of the state segment, so that counters go on where the receiver before this one left them. */
  readonly state: Delta;
  readonly role: ReceiverRole;
}
/** From now on it is to do something else, or knows better what. */
export interface ChangeRole {
  readonly type: "role";
  readonly role: ReceiverRole;
}
/** New values of the live configuration. */
export interface Reconfigure {
  readonly type: "reconfigure";
  readonly live: LiveSettings;
}
/** Make durable what was received, say goodbye to the server, end. */
export interface Drain {
  readonly type: "drain";
}
/** Somebody wants to know now: whatever waits for its next attempt makes it. */
export interface Wake {
  readonly type: "wake";
}
export type ToReceiver = ReceiverStart | ChangeRole | Reconfigure | Drain | Wake;

export interface JobStart {
  readonly type: "start";
  readonly title?: string;
  readonly job: number;
  readonly request: JobRequest;
  /** Of Moneta, for what the job writes. */
  readonly version: string;
  readonly server: ServerSettings;
  readonly repository: RepositorySettings;
  readonly secrets: Secrets;
  readonly live: LiveSettings;
  /** The server's record of the state segment: WAL segment size, version, what is durable. */
  readonly state: Delta;
}
/** End without a result; nothing of it stays valid. */
export interface Cancel {
  readonly type: "cancel";
  readonly reason: string;
}
/** The server's record changed while the job runs: a backup waits for WAL to become durable, the archiver for work. */
export interface ServerChanged {
  readonly type: "server";
  readonly state: Delta;
}
/** A segment is complete: work for the archiver. */
export interface SegmentComplete {
  readonly type: "segment";
  readonly name: string;
  /** Counts the segments that were announced; an archiving job repeats the last one it saw in `facts.lastSegment`. */
  readonly number: number;
}
export type ToJob = JobStart | Reconfigure | Cancel | ServerChanged | SegmentComplete;

/** The child has read its start message and goes to work. */
export interface Running {
  readonly type: "running";
}
/** Changed fields of the child's record of the state segment. */
export interface StateChanged {
  readonly type: "state";
  readonly delta: Delta;
}
export interface Log {
  readonly type: "log";
  readonly record: LogRecord;
}
/** The child ends because of this error. */
export interface Failed {
  readonly type: "failed";
  readonly error: ErrorRecord;
}
/** What holds the receiver up, for operators; without an error nothing does any more. It goes on trying by itself. */
export interface Held {
  readonly type: "held";
  readonly error?: ErrorRecord;
}
/** Something that an operator should know of a server although its WAL is received. */
export interface Finding {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** What puts it right, to be typed as it stands. */
  readonly statement?: string;
}
/** All that the receiver has found, each time when that changes. */
export interface Findings {
  readonly type: "findings";
  readonly findings: readonly Finding[];
}
/** An extension of PostgreSQL that is there. */
export interface ServerExtension {
  readonly name: string;
  readonly version: string;
  readonly comment: string;
}
/** What the server has, each time when it was asked. */
export interface Extensions {
  readonly type: "extensions";
  readonly extensions: readonly ServerExtension[];
}
/** The receiver has done what `drain` asked for. */
export interface Drained {
  readonly type: "drained";
}
/** The receiver lives: sent every few seconds, whatever its server does. */
export interface Beat {
  readonly type: "beat";
}
export type FromReceiver = Running | StateChanged | Log | Failed | Held | Findings | Extensions | Drained | SegmentComplete | Beat;

export interface Finished {
  readonly type: "result";
  readonly result: JobResult;
}
/** The archiver gave segments their final form; no segments: there is none left that it could not archive. */
export interface Archived {
  readonly type: "archived";
  readonly segments: number;
  readonly storedBytes: number;
}
/** The job has chosen: from now on it needs these backups to stay, and no others. */
export interface Uses {
  readonly type: "uses";
  /** Labels. */
  readonly backups: readonly string[];
  /** WAL that it needs besides that of the backups. */
  readonly wal: readonly WalUse[];
}
/** The job has taken out of view all that it is going to; what it still does harms nobody. */
export interface Settled {
  readonly type: "settled";
}
export type FromJob = Running | StateChanged | Log | Failed | Finished | Archived | Uses | Settled;

const deltaValue: Check<string | number | boolean> = (value, path) => {
  if (typeof value === "string" || typeof value === "boolean") return value;
  return number(value, path);
};
/** A delta that fits the table, so that whoever receives it can apply it without a doubt. */
function deltaOf(table: Parameters<typeof checkDelta>[0], names?: readonly string[]): Check<Delta> {
  const plain: Check<Delta> = dictionary(deltaValue);
  return (value, path) => {
    const delta = plain(value, path);
    checkDelta(table, delta, names);
    return delta;
  };
}
const live = object<LiveSettings>({
  configuration: deltaOf(configurationFields),
  server: deltaOf(serverConfigurationFields),
});
const serverState = deltaOf(serverFields);

const logRecord = object<LogRecord>({
  time: number,
  level: oneOf(...logLevels),
  scope: list(text),
  message: text,
  fields: dictionary((value, path) => (value === null ? null : deltaValue(value, path))),
  pid: count,
});

export const errorRecord = object<ErrorRecord>({
  code: text,
  exit: count,
  retryable: flag,
  hint: text,
  message: text,
  details: dictionary((value, path) => (value === null ? null : deltaValue(value, path))),
  cause: optional(text),
});

const reconfigure = object<Reconfigure>({ type: () => "reconfigure", live });
const running = object<Running>({ type: () => "running" });
const stateChanged = (delta: Check<Delta>): Check<StateChanged> => object<StateChanged>({ type: () => "state", delta });
export const logMessage = object<Log>({ type: () => "log", record: logRecord });
const log = logMessage;
export const cancelMessage = object<Cancel>({ type: () => "cancel", reason: text });
const failed = object<Failed>({ type: () => "failed", error: errorRecord });
const segment = object<SegmentComplete>({ type: () => "segment", name: text, number: count });

const receiverRole = object<ReceiverRole>({
  follows: flag,
  streams: flag,
  stored: optional(object<StoredPosition>({ server: text, timeline: count, lsn: text })),
});

export const toReceiver: Check<ToReceiver> = variants<"type", ToReceiver>("type", {
  start: object<ReceiverStart>({
    type: () => "start",
    title: optional(text),
    server: serverSettings,
    repository: repositorySettings,
    secrets,
    live,
    state: serverState,
    role: receiverRole,
  }),
  role: object<ChangeRole>({ type: () => "role", role: receiverRole }),
  reconfigure,
  drain: object<Drain>({ type: () => "drain" }),
  wake: object<Wake>({ type: () => "wake" }),
});

export const fromReceiver: Check<FromReceiver> = variants<"type", FromReceiver>("type", {
  running,
  state: stateChanged(deltaOf(serverFields, receiverOwns)),
  log,
  failed,
  segment,
  held: object<Held>({ type: () => "held", error: optional(errorRecord) }),
  findings: object<Findings>({
    type: () => "findings",
    findings: list(object<Finding>({ code: text, message: text, hint: text, statement: optional(text) })),
  }),
  extensions: object<Extensions>({
    type: () => "extensions",
    extensions: list(object<ServerExtension>({ name: text, version: text, comment: text })),
  }),
  drained: object<Drained>({ type: () => "drained" }),
  beat: object<Beat>({ type: () => "beat" }),
});

export const toJob: Check<ToJob> = variants<"type", ToJob>("type", {
  start: object<JobStart>({
    type: () => "start",
    title: optional(text),
    job: count,
    request: jobRequest,
    version: text,
    server: serverSettings,
    repository: repositorySettings,
    secrets,
    live,
    state: serverState,
  }),
  reconfigure,
  cancel: cancelMessage,
  server: object<ServerChanged>({ type: () => "server", state: serverState }),
  segment,
});

export const fromJob: Check<FromJob> = variants<"type", FromJob>("type", {
  running,
  state: stateChanged(deltaOf(jobFields, jobOwns)),
  log,
  failed,
  result: object<Finished>({ type: () => "result", result: jobResult }),
  archived: object<Archived>({ type: () => "archived", segments: count, storedBytes: count }),
  uses: object<Uses>({ type: () => "uses", backups: list(text), wal: list(walUse) }),
  settled: object<Settled>({ type: () => "settled" }),
});
