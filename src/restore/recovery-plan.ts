/**
 * The file in the restored data directory that tells `restore_command` what this recovery may read, and what it must
 * be able to read. It holds no secret. It has a digest of itself: with one digit changed in its end, recovery would end
 * there and PostgreSQL open with the rest lost.
 */
import { createHash } from "node:crypto";
import { messageOf } from "../common/index.ts";
import { formatLsn, isSegmentSize, lsn, parseLsn, timelineId, type Lsn, type TimelineHistory } from "../postgres/index.ts";
import { restoreErrors } from "./errors.ts";

/** Its name, relative to the data directory, which is where PostgreSQL calls `restore_command`. */
export const recoveryPlanFile = "moneta_recovery.json";

/** A segment that was complete or being received, but not archived yet. */
export interface UnarchivedSegment {
  readonly segment: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface RecoveryPlan {
  /** Root of the repository. */
  readonly baseDir: string;
  readonly server: string;
  /** Root of the second copy of the WAL. */
  readonly secondCopy?: string | undefined;
  readonly label: string;
  readonly systemIdentifier: string;
  readonly masterKeyFile: string | undefined;
  /** Bytes. */
  readonly segmentSize: number;
  /** The timelines that recovery goes through. */
  readonly history: TimelineHistory;
  /** Every byte between these was there when the restore was planned: from the start of the backup to the end of the archive. */
  readonly from: Lsn;
  readonly to: Lsn;
  /** Segments of that range that had no digest in the repository then: so many bytes of them, with their digest. */
  readonly unarchived: readonly UnarchivedSegment[];
  /** A replica goes on with whatever comes later, also on a timeline that descends from this one. */
  readonly follows: boolean;
  /** A primary without a target: PostgreSQL opens it where it finds no more WAL, and nothing but `to` may be that place. */
  readonly toTheEnd: boolean;
}

/** The content of the file. */
export function formatRecoveryPlan(plan: RecoveryPlan): string {
  const { history, from, to, masterKeyFile, ...rest } = plan;
  const document = {
    version: 1,
    ...rest,
    ...(masterKeyFile === undefined ? {} : { masterKeyFile }),
    from: formatLsn(from),
    to: formatLsn(to),
    timeline: history.timeline,
    ancestors: history.entries.map(({ timeline, switchLsn }) => ({ timeline, switchLsn: formatLsn(switchLsn) })),
  };
  return `${JSON.stringify({ ...document, sha256: digestOf(document) }, null, 2)}\n`;
}

/** Of what a plan says, whatever blanks are between it. */
const digestOf = (document: object): string => createHash("sha256").update(JSON.stringify(document)).digest("hex");

/** Reads the file. Throws RECOVERY_PLAN_DAMAGED. */
export function parseRecoveryPlan(text: string, path: string): RecoveryPlan {
  const refuse = (why: string, cause?: unknown) =>
    restoreErrors.planDamaged(`"${path}" cannot be used: ${why}`, { path }, cause);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw refuse("it is not JSON", error);
  }
  if (typeof document !== "object" || document === null) throw refuse("it is not an object");
  const { sha256, ...fields } = document as Record<string, unknown>;
  const textOf = (name: string): string => {
    const value = fields[name];
    if (typeof value !== "string" || value === "") throw refuse(`it has no ${name}`);
    return value;
  };
  const numberOf = (name: string): number => {
    const value = fields[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1) throw refuse(`it has no ${name}`);
    return value;
  };
  if (fields["version"] !== 1) throw refuse(`it has the version ${String(fields["version"])}, the only one known is 1`);
  const { ancestors, follows, masterKeyFile, secondCopy, toTheEnd, unarchived } = fields;
  if (!Array.isArray(ancestors) || !Array.isArray(unarchived)) throw refuse("it is not complete");
  if (typeof follows !== "boolean" || typeof toTheEnd !== "boolean") throw refuse("it is not complete");
  if (masterKeyFile !== undefined && typeof masterKeyFile !== "string") throw refuse("it has no path of a master key");
  if (secondCopy !== undefined && typeof secondCopy !== "string") throw refuse("it has no path of a second copy");
  try {
    const plan = {
      baseDir: textOf("baseDir"),
      server: textOf("server"),
      label: textOf("label"),
      systemIdentifier: textOf("systemIdentifier"),
      masterKeyFile,
      secondCopy,
      segmentSize: numberOf("segmentSize"),
      history: { timeline: timelineId(numberOf("timeline")), entries: (ancestors as unknown[]).map(ancestorOf) },
      from: lsn(parseLsn(textOf("from"))),
      to: lsn(parseLsn(textOf("to"))),
      unarchived: (unarchived as unknown[]).map(unarchivedOf),
      follows,
      toTheEnd,
    };
    if (!isSegmentSize(plan.segmentSize)) throw refuse(`no segment has ${plan.segmentSize} bytes`);
    if (sha256 !== digestOf(fields)) throw refuse("it is not as the restore wrote it");
    return plan;
  } catch (error) {
    if (restoreErrors.planDamaged.is(error)) throw error;
    throw refuse(messageOf(error), error);
  }
}

function ancestorOf(value: unknown): TimelineHistory["entries"][number] {
  const { timeline, switchLsn } = (value ?? {}) as Record<string, unknown>;
  if (typeof timeline !== "number" || typeof switchLsn !== "string") {
    throw restoreErrors.planDamaged("a plan of recovery has an ancestor without timeline and position");
  }
  return { timeline: timelineId(timeline), switchLsn: parseLsn(switchLsn), reason: "" };
}

function unarchivedOf(value: unknown): UnarchivedSegment {
  const { segment, bytes, sha256 } = (value ?? {}) as Record<string, unknown>;
  const sound = typeof segment === "string" && typeof sha256 === "string" && typeof bytes === "number";
  if (!sound || !Number.isSafeInteger(bytes) || bytes < 0) {
    throw restoreErrors.planDamaged("a plan of recovery has a segment without bytes and digest");
  }
  return { segment, bytes, sha256 };
}
