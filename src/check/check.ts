/** What a check is, and what it may look at. Everything here is plain: facts are gathered before, and judged at once. */
import type { Prerequisite } from "../replication/index.ts";
import type { CheckCode } from "./options.ts";

/** What is found, from best to worst; `skipped` is no answer and counts for nothing. */
export type CheckStatus = "ok" | "skipped" | "unknown" | "warning" | "critical";

export interface Verdict {
  readonly status: CheckStatus;
  /** What is so, in a sentence without its full stop. */
  readonly message: string;
  /** What to do, where that is not what the table says. */
  readonly fix?: string | undefined;
  /** SQL or a line of a file that puts it right, to be typed as it stands. */
  readonly statement?: string | undefined;
  /** It could not be looked at this time: what was found before may be so still. */
  readonly unseen?: true;
}

/** One check of the table, from which its documentation is made. */
export interface Check {
  /** What it looks at, in a sentence. */
  readonly looksAt: string;
  /** What gives a warning, and what is critical; absent where nothing does. */
  readonly warning?: string;
  readonly critical?: string;
  /** What to do about it, in full sentences. */
  readonly fix: string;
  readonly judge: (input: CheckInput) => Verdict;
}

/** An alarm that the daemon has already. */
export interface Alarm {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly statement?: string | undefined;
}

/** What alarms are about; each is the matter of a check. */
export const alarmSubjects = [
  "mode",
  "receiver",
  "follow",
  "findings",
  "archiving",
  "pushes",
  "second-copy",
  "hot-standby",
  "retention",
  "gaps",
  "lineage",
  "damage",
  "verification",
  "extra",
  "overdue",
  "drill",
  "schedule",
  "space",
] as const;
export type AlarmSubject = (typeof alarmSubjects)[number];

/** What was asked of the server and of the machine just now; see `probe`. */
export interface ProbeReport {
  /** When the server answered, milliseconds since 1970 by our clock. */
  readonly at: number;
  /** Why the server could not be asked. */
  readonly failure: Alarm | null;
  readonly prerequisites: readonly Prerequisite[];
  /** Undefined in all that follows: not known. */
  readonly server: ServerFindings | null;
  readonly certificates: readonly CertificateFinding[];
  /** Why what is to be encrypted could not be. */
  readonly keyProblem: Alarm | null;
}

export interface ServerFindings {
  /** The statement that gives the role REPLICATION back. */
  readonly regainReplication: string;
  readonly version: number;
  readonly versionText: string;
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** Positions as decimal text. */
  readonly position: string;
  readonly encrypted: boolean;
  readonly inRecovery: boolean | null;
  readonly checksums: boolean | null;
  readonly fullPageWrites: boolean | null;
  readonly replicationRight: boolean | null;
  readonly slotRestart: string | null;
  readonly slotActive: boolean | null;
  /** Bytes that may still be written before the slot can lose WAL; null without a limit. */
  readonly slotRoom: number | null;
  /** Bytes free where the cluster is, when it is on this machine and that can be seen. */
  readonly diskRoom: number | null;
  /** Its clock less ours, milliseconds, and how far that can be wrong. */
  readonly clockOffset: number | null;
  readonly clockUncertainty: number;
  /** Of the certificate that it showed. */
  readonly certificateEnds: number | null;
}

export interface CertificateFinding {
  /** Key of the configuration. */
  readonly key: string;
  readonly path: string;
  /** Milliseconds since 1970; null when the file cannot be used. */
  readonly ends: number | null;
  /** Of a list of revoked certificates: how many milliseconds it holds in all. Null for certificates. */
  readonly holds: number | null;
  readonly problem: string | null;
}

/** An earlier look at the server, for what grows. */
export interface EarlierLook {
  readonly at: number;
  readonly position: bigint;
  readonly kept: bigint | undefined;
}

export interface CheckInput {
  readonly server: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly online: boolean;
  /** It follows another server, which streams. */
  readonly follows: boolean;
  /** Undefined where the server was not to be asked. */
  readonly probe: ProbeReport | undefined;
  readonly earlier: EarlierLook | undefined;
  readonly alarms: Readonly<Record<AlarmSubject, readonly Alarm[]>>;
  readonly stream: StreamInput;
  readonly backups: BackupInput;
  readonly disks: readonly DiskInput[];
  readonly encrypts: boolean;
  /** What the configuration asks for besides. */
  readonly wants: { readonly secondCopy: boolean; readonly hotStandby: boolean; readonly extra: boolean };
  /** Targets of notifications that cannot be reached. */
  readonly notifications: { readonly configured: number; readonly failing: readonly Alarm[] };
  /** System identifier of the cluster whose WAL is stored; undefined before the first. */
  readonly lineage: string | undefined;
}

export interface StreamInput {
  /** State of the receiver in a word. */
  readonly state: string;
  readonly known: boolean;
  readonly flushed: bigint;
  readonly serverEnd: bigint;
  /** When the server was last heard, milliseconds since 1970; 0 before the first time. */
  readonly lastHeard: number;
  readonly gaps: number;
  readonly timeline: number;
  readonly segmentSize: number;
}

export interface BackupInput {
  readonly valid: number;
  /** Neither valid nor usable. */
  readonly unusable: number;
  /** End of the newest valid one, milliseconds since 1970. */
  readonly newest: number | undefined;
  readonly newestLabel: string | undefined;
  /** Stored bytes of the newest one. */
  readonly newestBytes: number;
  /** End of the oldest one from which everything up to now can be reached without a gap; undefined without such a one. */
  readonly windowFrom: number | undefined;
  /** End of the oldest valid one. */
  readonly oldest: number | undefined;
  /** How far back the policy reaches, milliseconds; undefined for one that counts copies. */
  readonly policyReach: number | undefined;
  readonly policy: string;
  /** Age at which the newest is too old, milliseconds; undefined for never. */
  readonly oldestAllowed: number | undefined;
  readonly drillsScheduled: boolean;
  /** When a drill last proved one. */
  readonly proven: number | undefined;
  /** How often everything is read back, milliseconds; 0 for never. */
  readonly verificationPeriod: number;
}

export interface DiskInput {
  /** What it is for: `base_dir`, `workspace`. */
  readonly what: string;
  readonly path: string;
  readonly total: number;
  readonly free: number;
  readonly fullInMs: number | undefined;
}

export type CheckTable = Readonly<Record<CheckCode, Check>>;

export const ok = (message: string): Verdict => ({ status: "ok", message });
/** There is nothing to look at. */
export const skipped = (message: string): Verdict => ({ status: "skipped", message });
/** There is, and nobody could look. */
export const unseen = (message: string): Verdict => ({ status: "skipped", message, unseen: true });
export const warning = (message: string, more: Pick<Verdict, "fix" | "statement"> = {}): Verdict => ({ status: "warning", message, ...more });
export const critical = (message: string, more: Pick<Verdict, "fix" | "statement"> = {}): Verdict => ({ status: "critical", message, ...more });

/** Alarms as one verdict: the first says what to do. `good` is said when there are none. */
export function fromAlarms(alarms: readonly Alarm[], level: "warning" | "critical", good: string): Verdict {
  const [first, ...others] = alarms;
  if (first === undefined) return ok(good);
  const more = others.map(({ message }) => message);
  return { status: level, message: [first.message, ...more].join("; "), fix: first.hint, statement: first.statement };
}
