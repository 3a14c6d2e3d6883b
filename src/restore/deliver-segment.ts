/** Writes one segment where PostgreSQL wants it: whole, checked as far as it can be, under its name in one step. */
import { createHash } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { publishFile } from "../common/index.ts";
import { createWalRecordReader, formatLsn, lsnPlus, parseSegmentName } from "../postgres/index.ts";
import { readSegment, repositoryErrors, type WalSource } from "../repository/index.ts";
import type { RecoveryPlan } from "./recovery-plan.ts";

/** What must hold for the segments of a recovery. */
export type SegmentNeeds = Pick<RecoveryPlan, "to" | "segmentSize" | "unarchived" | "follows">;

/**
 * Writes the segment `name` to `destination` (under the name `temporary` until it is whole), a partial one filled up with
 * zeros from its durable end on. False when
 * the repository has none. Throws RESTORE_WAL_DAMAGED when it is not what it was when the restore was planned, or ends
 * before the range that recovery needs does.
 */
export async function deliverSegment(
  source: WalSource,
  name: string,
  destination: string,
  needs: SegmentNeeds,
  temporary?: string,
): Promise<boolean> {
  return writeWhole(destination, async (write, truncate) => {
    if ((await readChecked(source, name, needs, write)) === undefined) return false;
    await truncate(needs.segmentSize);
    return true;
  }, temporary);
}

/** As `deliverSegment`, to whoever takes the bytes of the whole segment. False, and nothing was given, when there is none. */
export async function streamSegment(source: WalSource, name: string, needs: SegmentNeeds, write: Write): Promise<boolean> {
  const given = await readChecked(source, name, needs, write);
  if (given === undefined) return false;
  for (let at = given; at < needs.segmentSize; at += zeros.length) {
    await write(zeros.subarray(0, Math.min(zeros.length, needs.segmentSize - at)));
  }
  return true;
}

const zeros = Buffer.alloc(64 * 1024);

/** Reads what counts of a segment; gives how many bytes that was, undefined when there is none. */
async function readChecked(source: WalSource, name: string, needs: SegmentNeeds, write: Write): Promise<number | undefined> {
  const { start } = parseSegmentName(name, needs.segmentSize);
  // What the source wrote after the plan was made is not part of this restore, also where it shares a segment with
  // what is: recovery to the end of the archive would replay it.
  let room = needs.follows ? needs.segmentSize : Math.min(needs.segmentSize, Number(needs.to - start));
  let given = 0;
  const check = createSegmentCheck(name, needs);
  const read = await readSegment({ ...source, plainIsEnough: true }, name, async (piece, proven) => {
    check.take(piece, proven);
    const wanted = piece.subarray(0, room);
    room -= wanted.length;
    given += wanted.length;
    if (wanted.length > 0) await write(wanted);
  });
  if (read === undefined) return undefined;
  check.finish();
  if (read.end < needs.to && read.end !== lsnPlus(start, needs.segmentSize)) {
    const due = formatLsn(needs.to);
    throw repositoryErrors.walDamaged(`WAL segment ${name} ends at ${formatLsn(read.end)}; it reached ${due} when the restore was planned`, {
      segment: name,
    });
  }
  return given;
}

interface SegmentCheck {
  take(piece: Buffer, proven: boolean): void;
  finish(): void;
}

/**
 * A segment with a record in the index has a digest. One that was not archived yet had its bytes taken down when the restore was
 * planned; one that came later is at least read record by record, because PostgreSQL takes damage for the end of WAL.
 */
function createSegmentCheck(name: string, { unarchived, segmentSize }: SegmentNeeds): SegmentCheck {
  const noted = unarchived.find(({ segment }) => segment === name);
  const hash = createHash("sha256");
  let left = noted?.bytes ?? 0;
  const { start } = parseSegmentName(name, segmentSize);
  const reader = createWalRecordReader({ start, segmentSize, verify: true });
  const damaged = (why: string) => repositoryErrors.walDamaged(`WAL segment ${name} is damaged: ${why}`, { segment: name });
  return {
    take(piece, proven) {
      if (noted !== undefined) {
        hash.update(piece.subarray(0, left));
        left -= Math.min(left, piece.length);
      } else if (!proven) reader.write(piece);
    },
    finish() {
      if (noted !== undefined) {
        if (hash.digest("hex") !== noted.sha256) throw damaged("it is not what it was when the restore was planned");
        return;
      }
      reader.finish();
      const { stopped } = reader;
      if (stopped !== undefined) throw damaged(`${stopped.damage ?? "nothing but zeros follow"} at ${formatLsn(stopped.at)}`);
    },
  };
}

type Write = (piece: Uint8Array) => Promise<void>;

/** Writes a file under another name and gives it its own when it is whole. False, and no file, when `fill` says so. */
export async function writeWhole(
  destination: string,
  fill: (write: Write, truncate: (size: number) => Promise<void>) => Promise<boolean>,
  temporary = `${destination}.moneta`,
): Promise<boolean> {
  const handle = await open(temporary, "w", 0o600);
  let whole = false;
  try {
    whole = await fill(
      (piece) => handle.writeFile(piece),
      (size) => handle.truncate(size),
    );
  } finally {
    await handle.close();
    if (!whole) await rm(temporary, { force: true });
  }
  if (whole) await publishFile(temporary, destination, { replace: true });
  return whole;
}
