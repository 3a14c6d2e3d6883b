/**
 * Can recovery from this backup stop at this target? PostgreSQL ends with an error when the WAL ends before a record
 * that lies beyond the target, also when nothing happened there: such a target is met by the end of the archive, if
 * it is proven that nothing is missing before it.
 */
import type { MonetaError } from "../common/index.ts";
import { formatLsn, lsn, segmentName, segmentStart, segmentsOfRange, type Lsn } from "../postgres/index.ts";
import type { WalCoverage, WalSource } from "../repository/index.ts";
import { restoreErrors } from "./errors.ts";
import type { InspectedBackup } from "./inspect-backup.ts";
import type { RecoveryPosition, RecoveryTarget } from "./recovery-position.ts";
import { formatInstant, instantFromMs, instantOf, type Micros } from "./target-time.ts";
import { describeReach, type WalReach } from "./wal-reach.ts";
import { scanLimit, scanSize, scanWal } from "./wal-scan.ts";

export interface TargetQuestion {
  readonly position: RecoveryPosition;
  readonly backup: InspectedBackup;
  readonly reach: WalReach;
  readonly coverage: WalCoverage | undefined;
  readonly wal: WalSource;
  /** TimeZone of the source server, for times without a zone. */
  readonly sourceZone: string | undefined;
  /** Plain bytes of WAL that are read at most to find a record. */
  readonly searchBytes: number;
}

/** A target that is a record of its own. */
export type EventTarget = Extract<RecoveryTarget, { kind: "xid" | "name" }>;

export interface CheckedTarget {
  /** What recovery is told; `end` for a target that the end of the archive meets. */
  readonly target: RecoveryTarget;
  /** Of a time. */
  readonly instant?: Micros;
  readonly notes: readonly string[];
  /** Why it cannot be reached from this backup. */
  readonly problem?: MonetaError;
}

/** Answers. Throws for a time that is no moment, and when WAL cannot be read. */
export async function checkTarget(question: TargetQuestion): Promise<CheckedTarget> {
  const { target } = question.position;
  switch (target.kind) {
    case "end":
      return checkEnd(question);
    case "immediate":
      return { target, notes: [], ...backupIsComplete(question) };
    case "lsn":
      return checkLsn(question, target.lsn);
    case "time":
      return checkTime(question, instantOf(target.time, question.sourceZone));
    case "xid":
    case "name":
      return checkEvent(question, target);
  }
}

const unreachable = (question: TargetQuestion, why: string) =>
  restoreErrors.unreachable(why, { label: question.backup.info.label });

function backupIsComplete(question: TargetQuestion): { readonly problem?: MonetaError } {
  const { reach, backup } = question;
  if (reach.end >= backup.info.endLsn) return {};
  return { problem: unreachable(question, `backup ${backup.info.label} needs WAL to ${formatLsn(backup.info.endLsn)}; ${describeReach(reach)}`) };
}

function checkEnd(question: TargetQuestion): CheckedTarget {
  const { reach, coverage } = question;
  const target = { kind: "end" } as const;
  if (reach.missing !== undefined) {
    return { target, notes: [], problem: unreachable(question, `the end of the archive cannot be reached: ${describeReach(reach)}`) };
  }
  const lost = coverage !== undefined && coverage.timeline === reach.history.timeline && coverage.lsn > reach.end;
  if (lost && question.position.timeline === undefined) {
    const last = segmentName(coverage.timeline, lsn(coverage.lsn - 1n), question.wal.inventory.segmentSize);
    const had = `WAL was received up to ${formatLsn(coverage.lsn)} (in ${last}), but the repository ends at ${formatLsn(reach.end)}`;
    return { target, notes: [], problem: unreachable(question, `${had}: what was last received is gone; to restore what is there, name it: lsn=${formatLsn(reach.end)}`) };
  }
  return { target, notes: [] };
}

async function checkLsn(question: TargetQuestion, lsn: Lsn): Promise<CheckedTarget> {
  const { backup, reach } = question;
  const { info } = backup;
  const target = { kind: "lsn", lsn } as const;
  const range = `a target between ${formatLsn(info.endLsn)} and ${formatLsn(reach.end)} can be reached from backup ${info.label}`;
  if (lsn < info.endLsn) {
    return { target, notes: [], problem: unreachable(question, `${formatLsn(lsn)} lies before the end of the backup; ${range}`) };
  }
  if (lsn > reach.end) {
    return { target, notes: [], problem: unreachable(question, `${formatLsn(lsn)} cannot be reached: ${describeReach(reach)}; ${range}`) };
  }
  const found = lsn < reach.end && (await recordFrom(question, lsn));
  if (found) return { target, notes: [] };
  return atTheEnd(`no WAL record begins at or after ${formatLsn(lsn)}, and nothing before it is missing`);
}

async function recordFrom({ reach, wal }: TargetQuestion, lsn: Lsn): Promise<boolean> {
  const beyond = (last: { readonly start: Lsn } | undefined): boolean => last !== undefined && last.start >= lsn;
  const { history, end } = reach;
  const reader = await scanWal(wal, { history, from: lsn, to: end, enough: ({ last }) => beyond(last) });
  return beyond(reader.last);
}

function atTheEnd(reason: string): CheckedTarget {
  return { target: { kind: "end" }, notes: [`${reason}: recovery goes to the end of the archive, which is the same`] };
}

/**
 * The earliest time that can be reached, conservatively: the end of the backup by our clock, or later if the clock of
 * the server runs ahead of ours.
 */
export function earliestTime({ info, control }: InspectedBackup): Micros {
  const checkpoint = control.checkpointTime ?? 0;
  // pgmoneta records neither begin nor end.
  const start = info.own?.startTime ?? checkpoint;
  const end = info.own?.endTime ?? Math.ceil(checkpoint + info.elapsed.total * 1000);
  const byServer = checkpoint + (end - start);
  return instantFromMs(Math.max(end, checkpoint, byServer - end > toleratedSkewMs ? byServer : 0));
}

/** A checkpoint begins a moment after the backup: that alone is no difference between two clocks. */
const toleratedSkewMs = 5_000;

async function checkTime(question: TargetQuestion, instant: Micros): Promise<CheckedTarget> {
  const { backup, reach, coverage, position } = question;
  const { info } = backup;
  const target = position.target;
  const earliest = earliestTime(backup);
  const refuse = (why: string, latest: Micros | undefined): CheckedTarget => {
    const until = latest === undefined || latest < earliest ? "" : ` and ${formatInstant(latest)}`;
    const range = until === "" ? `a time from ${formatInstant(earliest)} on` : `a time between ${formatInstant(earliest)}${until}`;
    return { target, instant, notes: [], problem: unreachable(question, `${formatInstant(instant)} ${why}; ${range} can be reached from backup ${info.label}`) };
  };
  const beyond = (time: Micros): boolean => (position.inclusive === false ? time >= instant : time > instant);
  const incomplete = backupIsComplete(question).problem;
  if (incomplete !== undefined) return { target, instant, notes: [], problem: incomplete };
  const last = await lastTransaction(question, beyond);
  const proven = coverage !== undefined && coverage.timeline === reach.history.timeline && coverage.lsn <= reach.end && reach.missing === undefined;
  const covered = proven ? instantFromMs(coverage.serverTime) : undefined;
  const latest = [last.time, covered].reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a));
  if (instant < earliest || (await endsBefore(question, beyond))) return refuse("lies before the end of the backup", latest);
  if (last.beyond) return { target, instant, notes: [] };
  if (latest !== undefined && instant <= latest) {
    return { ...atTheEnd(`no transaction ended after ${formatInstant(instant)}, and the stream is proven up to then`), instant };
  }
  const why = reach.missing === undefined ? "lies after everything that is known of the server" : `cannot be reached: ${describeReach(reach)}`;
  return refuse(why, latest);
}

interface LastTransaction {
  /** True when one ended beyond the target. */
  readonly beyond: boolean;
  /** The latest end of a transaction that was seen. */
  readonly time: Micros | undefined;
}

/**
 * Looks for the end of a transaction beyond the target, from the end of the WAL backwards, segment by segment. Times
 * of commits are not strictly in order, so one more segment is looked at after the first that has any.
 */
async function lastTransaction({ backup, reach, wal }: TargetQuestion, beyond: (time: Micros) => boolean): Promise<LastTransaction> {
  const { segmentSize } = wal.inventory;
  const { endLsn } = backup.info;
  let latest: Micros | undefined;
  for (let start = segmentStart((reach.end - 1n) as Lsn, segmentSize); start >= segmentStart(endLsn, segmentSize); ) {
    let time: Micros | undefined;
    const end = start + BigInt(segmentSize) < reach.end ? ((start + BigInt(segmentSize)) as Lsn) : reach.end;
    await scanWal(wal, {
      history: reach.history,
      from: start,
      // A record that begins in this segment may end in the next one.
      to: reach.end,
      enough: ({ last }) => last !== undefined && last.start >= end,
      onPoint(point, at) {
        const here = at >= endLsn && at < end;
        if (point.kind !== "restore-point" && here && (time === undefined || point.time > time)) time = point.time;
      },
    });
    const seen = latest !== undefined;
    if (time !== undefined && (latest === undefined || time > latest)) latest = time;
    if (latest !== undefined && (seen || beyond(latest))) return { beyond: beyond(latest), time: latest };
    if (start === 0n) break;
    start = (start - BigInt(segmentSize)) as Lsn;
  }
  return { beyond: latest !== undefined && beyond(latest), time: latest };
}

/** True when a transaction ended beyond the target while the backup was taken: recovery would stop before it is consistent. */
async function endsBefore({ backup, reach, wal }: TargetQuestion, beyond: (time: Micros) => boolean): Promise<boolean> {
  const { startLsn, endLsn } = backup.info;
  const range = { from: startLsn, to: endLsn };
  if (scanSize(range, wal.inventory.segmentSize) > scanLimit / 4) return false;
  let found = false;
  await scanWal(wal, {
    ...range,
    history: reach.history,
    onPoint(point, at) {
      if (point.kind !== "restore-point" && at >= startLsn && at < endLsn && beyond(point.time)) found = true;
    },
  });
  return found;
}

/** Where a transaction ended, or a restore point was made. */
async function checkEvent(question: TargetQuestion, target: EventTarget): Promise<CheckedTarget> {
  const { backup, reach, wal } = question;
  const { info } = backup;
  const what = target.kind === "xid" ? `transaction ${target.xid}` : `the restore point ${JSON.stringify(target.name)}`;
  const incomplete = backupIsComplete(question).problem;
  if (incomplete !== undefined) return { target, notes: [], problem: incomplete };
  const range = { from: info.startLsn, to: reach.end };
  if (scanSize(range, wal.inventory.segmentSize) > question.searchBytes) {
    const segments = [...segmentsOfRange(reach.history, range.from, range.to, wal.inventory.segmentSize)].length;
    return { target, notes: [`the WAL after the backup (${segments} segments) was not searched for ${what}: recovery ends with an error if it is not there`] };
  }
  const at = await findEvent(question, target, range.from, range.to);
  if (at === undefined) {
    const hint = target.kind === "xid" ? " (a subtransaction is never found)" : "";
    return { target, notes: [], problem: unreachable(question, `${what} is not in the WAL from backup ${info.label} on${hint}; ${describeReach(reach)}`) };
  }
  if (at >= info.endLsn) return { target, notes: await secondNotes(question, target, at) };
  return { target, notes: [], problem: unreachable(question, `${what} lies at ${formatLsn(at)}, before the end of backup ${info.label} at ${formatLsn(info.endLsn)}`) };
}

/** PostgreSQL stops at the first restore point of a name; whoever meant a later one must hear of it. */
async function secondNotes(question: TargetQuestion, target: EventTarget, first: Lsn): Promise<string[]> {
  if (target.kind !== "name") return [];
  const second = await findEvent(question, target, (first + 1n) as Lsn, question.reach.end);
  if (second === undefined) return [];
  const name = JSON.stringify(target.name);
  return [`the restore point ${name} was made more than once: recovery stops at the first, ${formatLsn(first)}, not at ${formatLsn(second)}; name an LSN to choose`];
}

/** Position of the first record between two positions that the target means. */
export async function findEvent(
  { reach, wal }: Pick<TargetQuestion, "reach" | "wal">,
  target: EventTarget,
  from: Lsn,
  to: Lsn,
): Promise<Lsn | undefined> {
  let found: Lsn | undefined;
  await scanWal(wal, {
    history: reach.history,
    from,
    to,
    onPoint(point, at) {
      if (found !== undefined || at < from) return;
      if (point.kind === "restore-point") {
        if (target.kind === "name" && point.name === target.name) found = at;
      } else if (target.kind === "xid" && point.xid === Number(target.xid & 0xffff_ffffn)) found = at;
    },
    enough: () => found !== undefined,
  });
  return found;
}
