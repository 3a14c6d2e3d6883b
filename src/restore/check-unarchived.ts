/**
 * The segments at the end of the WAL that have no record in the index (not archived yet, or the index was lost) have
 * no digest. Damage in them would look like the end
 * of WAL to PostgreSQL: it would promote there, and rows would be lost without a word. So they are read here, record
 * by record, and their bytes are taken down for `restore_command` to compare. Reading begins one segment earlier: the
 * first of them can hold the rest of a record that begins there, and only together they have a checksum.
 */
import { createHash, type Hash } from "node:crypto";
import { createWalRecordReader, formatLsn, segmentsOfRange, type NeededSegment, type WalRecordReader } from "../postgres/index.ts";
import { readSegment, type WalSource } from "../repository/index.ts";
import { reasonOf, type WalDamage } from "./check-archived.ts";
import { restoreErrors } from "./errors.ts";
import type { UnarchivedSegment } from "./recovery-plan.ts";
import type { WalReach } from "./wal-reach.ts";
import { scanLimit } from "./wal-scan.ts";

export interface UnarchivedWal {
  readonly segments: readonly UnarchivedSegment[];
  /** Where WAL cannot be read any further although there is more of it. */
  readonly damage: WalDamage | undefined;
  readonly notes: readonly string[];
}

/** Reads the end of the WAL. Throws what reading a segment throws. */
export async function checkUnarchived(source: WalSource, reach: WalReach): Promise<UnarchivedWal> {
  const { segmentSize } = source.inventory;
  const { tail, before } = await unarchivedTail(source, reach);
  const segments: UnarchivedSegment[] = [];
  const [first] = tail;
  if (first === undefined) return { segments, damage: undefined, notes: [] };
  if (tail.length * segmentSize > scanLimit) {
    const notes = [`the last ${tail.length} segments are not archived yet; they were not checked for damage`];
    return { segments, damage: undefined, notes };
  }
  const reader = createWalRecordReader({ start: before?.start ?? first.start, segmentSize, verify: true });
  if (before !== undefined) {
    const read = await readSegment(source, before.name, (piece) => void reader.write(piece)).catch(reasonOf);
    if (typeof read === "string") return { segments, damage: { at: before.start, segment: before.name, reason: read }, notes: [] };
    const damage = damageSeen(reader, before.name);
    if (damage !== undefined) return { segments, damage, notes: [] };
  }
  for (const segment of tail) {
    const noted = await noteSegment(source, reach, segment, (piece) => void reader.write(piece)).catch(reasonOf);
    if (typeof noted === "string") return { segments, damage: { at: segment.start, segment: segment.name, reason: noted }, notes: [] };
    segments.push(noted);
    if (segment === tail.at(-1)) reader.finish();
    const damage = damageSeen(reader, segment.name);
    if (damage !== undefined) return { segments, damage, notes: [] };
  }
  return { segments, damage: undefined, notes: [] };
}

function damageSeen({ stopped }: WalRecordReader, segment: string): WalDamage | undefined {
  if (stopped === undefined) return undefined;
  const { at, damage = "there is nothing but zeros" } = stopped;
  return { at, segment, reason: `damaged at ${formatLsn(at)}: ${damage}` };
}

/** From the end backwards to the last one whose digest is known, and that one. */
async function unarchivedTail(
  { inventory }: WalSource,
  { history, from, end }: WalReach,
): Promise<{ readonly tail: NeededSegment[]; readonly before: NeededSegment | undefined }> {
  const all = [...segmentsOfRange(history, from, end, inventory.segmentSize)];
  for (let at = all.length - 1; at >= 0; at -= 1) {
    const name = all[at]?.name ?? "";
    const found = await inventory.find(name);
    if (found?.form === "archived" && found.record !== undefined) return { tail: all.slice(at + 1), before: all[at] };
  }
  return { tail: all, before: undefined };
}

/** Hashes what counts of a segment: all of it, or up to the end that the plan knows. */
async function noteSegment(
  source: WalSource,
  { end }: WalReach,
  { name, start }: NeededSegment,
  onPiece: (piece: Buffer) => void,
): Promise<UnarchivedSegment> {
  const hash: Hash = createHash("sha256");
  const bytes = Math.min(source.inventory.segmentSize, Number(end - start));
  let left = bytes;
  const read = await readSegment(source, name, (piece) => {
    const part = piece.subarray(0, left);
    left -= part.length;
    hash.update(part);
    onPiece(part);
  });
  if (read === undefined || left > 0) throw restoreErrors.walMissing(`WAL segment ${name} is no longer what it was a moment ago`, { segment: name });
  return { segment: name, bytes, sha256: hash.digest("hex") };
}
