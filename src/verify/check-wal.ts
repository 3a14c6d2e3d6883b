/**
 * The WAL that makes a backup consistent, read to its last byte: what has a digest by that, the rest record by record. A record
 * may begin in a segment of the one kind and end in one of the other: then both are read as one piece, because only together
 * they show its checksum.
 */
import { throwIfAborted } from "../common/index.ts";
import { createWalRecordReader, formatLsn, segmentsOfRange, type Lsn, type NeededSegment, type TimelineHistory, type WalRecordReader } from "../postgres/index.ts";
import { readSegment, type BackupInfo, type WalInventory, type WalLocation, type WalSource } from "../repository/index.ts";
import { judge, type FindingKind, type Findings } from "./finding.ts";

export interface WalCheck {
  readonly source: WalSource;
  readonly history: TimelineHistory;
  readonly info: BackupInfo;
  readonly findings: Findings;
}

/** Segments one behind the other, read as one piece. */
interface Run {
  readonly records: WalRecordReader;
  readonly next: Lsn;
  /** Of the last of them. */
  readonly location: WalLocation | undefined;
}

/** Gives the number of segments that are needed. */
export async function checkWal({ source, history, info, findings }: WalCheck): Promise<number> {
  const { inventory, storage } = source;
  const { segmentSize } = inventory;
  const directory = inventory.layout.wal;
  const needed = [...segmentsOfRange(history, info.startLsn, info.endLsn, segmentSize)];
  let run: Run | undefined;

  for (const [number, { name, start, end }] of needed.entries()) {
    throwIfAborted(source.signal);
    let location: WalLocation | undefined;
    const report = (kind: FindingKind, reason: string, where = location): void => {
      const path = where === undefined ? name : where.path.slice(directory.length + 1);
      findings.add({ kind, place: "wal", path, reason, harmful: true, original: where?.record?.plainDigest });
    };
    const before = run?.next === start ? run : undefined;
    run = undefined;
    try {
      location = await inventory.find(name);
      const proven = hasDigest(location);
      const atBorder = !proven || (before !== undefined && !hasDigest(before.location)) || (await isRaw(inventory, needed[number + 1]));
      const records = atBorder ? (before?.records ?? createWalRecordReader({ start, segmentSize, verify: true })) : undefined;
      const read = await readSegment(source, name, (piece) => void records?.write(piece));
      if (read === undefined) {
        report("missing", "it is not in the repository");
        continue;
      }
      if (records !== undefined) {
        if (info.endLsn <= end) records.finish();
        const { stopped } = records;
        if (stopped !== undefined && stopped.at < info.endLsn && stopped.at < end) {
          // In front of the backup no recovery reads, and what has its digest is what the server sent.
          if (proven && stopped.at < info.startLsn) continue;
          const begun = proven && stopped.at < start ? before?.location : location;
          report("changed", `damaged at ${formatLsn(stopped.at)}: ${stopped.damage ?? "there is nothing but zeros"}`, begun);
          continue;
        }
        run = { records, next: end, location };
      }
      if (read.end < end && read.end < info.endLsn) {
        report("truncated", `it ends at ${formatLsn(read.end)}, and is needed to ${formatLsn(end < info.endLsn ? end : info.endLsn)}`);
        run = undefined;
      }
    } catch (error) {
      throwIfAborted(source.signal);
      const verdict = await judge(error, { storage, path: location?.path ?? `${directory}/${name}`, size: dueSize(inventory, location) });
      if ("kind" in verdict) report(verdict.kind, verdict.reason);
      else findings.addUnread(verdict);
    }
  }
  return needed.length;
}

const hasDigest = (location: WalLocation | undefined): boolean => location?.form === "archived" && location.record !== undefined;

/** It is there, without a digest. False also for one that cannot be looked for: that comes out when its turn does. */
async function isRaw(inventory: WalInventory, segment: NeededSegment | undefined): Promise<boolean> {
  if (segment === undefined) return false;
  const location = await inventory.find(segment.name).catch(() => undefined);
  return location !== undefined && !hasDigest(location);
}

function dueSize({ segmentSize }: WalInventory, location: WalLocation | undefined): number | undefined {
  return location?.form === "raw" ? segmentSize : location?.record?.storedSize;
}
