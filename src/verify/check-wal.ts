/** The WAL that makes a backup consistent, read to its last byte: what has a digest by that, the rest record by record. */
import { throwIfAborted } from "../common/index.ts";
import { createWalRecordReader, formatLsn, segmentsOfRange, type Lsn, type TimelineHistory, type WalRecordReader } from "../postgres/index.ts";
import { readSegment, type BackupInfo, type WalInventory, type WalLocation, type WalSource } from "../repository/index.ts";
import { judge, type FindingKind, type Findings } from "./finding.ts";
import type { Pace } from "./pace.ts";

export interface WalCheck {
  readonly source: WalSource;
  readonly history: TimelineHistory;
  readonly info: BackupInfo;
  readonly pace: Pace | undefined;
  readonly findings: Findings;
}

/** Segments without a digest, one behind the other, read as one piece. */
interface Run {
  readonly records: WalRecordReader;
  readonly next: Lsn;
}

/** Gives the number of segments that are needed. */
export async function checkWal({ source, history, info, pace, findings }: WalCheck): Promise<number> {
  const { inventory, storage } = source;
  const { segmentSize } = inventory;
  const directory = inventory.layout.wal;
  let run: Run | undefined;
  let segments = 0;

  for (const { name, start, end } of segmentsOfRange(history, info.startLsn, info.endLsn, segmentSize)) {
    throwIfAborted(source.signal);
    segments += 1;
    let location: WalLocation | undefined;
    const report = (kind: FindingKind, reason: string): void => {
      const path = location === undefined ? name : location.path.slice(directory.length + 1);
      findings.add({ kind, place: "wal", path, reason, harmful: true, original: location?.record?.plainDigest });
    };
    try {
      location = await inventory.find(name);
      const proven = location?.form === "archived" && location.record !== undefined;
      if (proven) run = undefined;
      else if (run?.next !== start) run = { records: createWalRecordReader({ start, segmentSize, verify: true }), next: start };
      const records = proven ? undefined : run?.records;
      const read = await readSegment(source, name, async (piece) => {
        await pace?.wait(piece.length);
        records?.write(piece);
      });
      if (read === undefined) {
        report("missing", "it is not in the repository");
        run = undefined;
        continue;
      }
      if (records !== undefined) {
        run = { records, next: end };
        if (info.endLsn <= end) records.finish();
        const { stopped } = records;
        if (stopped !== undefined && stopped.at < info.endLsn && stopped.at < end) {
          report("changed", `damaged at ${formatLsn(stopped.at)}: ${stopped.damage ?? "there is nothing but zeros"}`);
          run = undefined;
          continue;
        }
      }
      if (read.end < end && read.end < info.endLsn) {
        report("truncated", `it ends at ${formatLsn(read.end)}, and is needed to ${formatLsn(end < info.endLsn ? end : info.endLsn)}`);
        run = undefined;
      }
    } catch (error) {
      throwIfAborted(source.signal);
      run = undefined;
      const verdict = await judge(error, { storage, path: location?.path ?? `${directory}/${name}`, size: dueSize(inventory, location) });
      if ("kind" in verdict) report(verdict.kind, verdict.reason);
      else findings.addUnread(verdict);
    }
  }
  return segments;
}

function dueSize({ segmentSize }: WalInventory, location: WalLocation | undefined): number | undefined {
  return location?.form === "raw" ? segmentSize : location?.record?.storedSize;
}
