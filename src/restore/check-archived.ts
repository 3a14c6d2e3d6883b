/**
 * The size of an archived segment shows no flipped bit. Recovery would come upon it hours later and stop there, after
 * the restore had said yes: so what recovery will read is compared with its digest before anything is promised.
 */
import { createHash } from "node:crypto";
import { MonetaError, messageOf, throwIfAborted } from "../common/index.ts";
import { encryptionErrors } from "../encryption/index.ts";
import { pipelineErrors } from "../pipeline/index.ts";
import { createWalRecordReader, formatLsn, parseSegmentName, segmentsOfRange, type Lsn } from "../postgres/index.ts";
import { readSegment, repositoryErrors, type OpenSegment, type WalSource } from "../repository/index.ts";
import type { WalReach } from "./wal-reach.ts";

/** WAL ends here for a recovery, although there is more of it. */
export interface WalDamage {
  readonly at: Lsn;
  readonly segment: string;
  readonly reason: string;
}

/** What was found of each segment that was looked at; undefined: nothing is wrong with it. */
export type SegmentFaults = Map<string, string | undefined>;

const pieceSize = 1024 * 1024;
const gone = "it is no longer in the repository";

/**
 * Reads the segments that hold the bytes up to `until`, but for those at the end that have no digest
 * (`checkUnarchived` does). The first that cannot be used, if any. Segments in `faults` are not read again.
 */
export async function checkArchived(source: WalSource, reach: WalReach, until: Lsn, faults: SegmentFaults): Promise<WalDamage | undefined> {
  const { inventory } = source;
  const to = until < reach.end ? until : reach.end;
  const segments = [...segmentsOfRange(reach.history, reach.from, to, inventory.segmentSize)];
  while (segments.length > 0 && !(await hasDigest(source, segments.at(-1)?.name ?? ""))) segments.pop();
  for (const { name, start } of segments) {
    throwIfAborted(source.signal);
    if (!faults.has(name)) faults.set(name, await faultOf(source, name));
    const reason = faults.get(name);
    if (reason !== undefined) return { at: start, segment: name, reason };
  }
  return undefined;
}

async function hasDigest({ inventory }: WalSource, name: string): Promise<boolean> {
  const found = await inventory.find(name);
  return found?.form === "archived" && found.record !== undefined;
}

async function faultOf(source: WalSource, name: string): Promise<string | undefined> {
  const opened = await source.inventory.open(name);
  if (opened === undefined) return gone;
  try {
    if (opened.location.form === "archived" && opened.location.record !== undefined) return await faultOfArchived(source, opened);
  } catch (error) {
    return reasonOf(error);
  } finally {
    await opened.reader.close();
  }
  return faultOfRecords(source, name);
}

async function faultOfArchived(source: WalSource, { location, reader }: OpenSegment): Promise<string | undefined> {
  const { record, suffix } = location;
  // A digest is no proof against who can write to the repository: what is sealed has to open.
  if (suffix.endsWith(".aes")) return (await readSegment(source, location.segment, () => undefined)) === undefined ? gone : undefined;
  const hash = createHash(record?.hash ?? "sha256");
  for (let offset = 0; offset < reader.size; offset += pieceSize) {
    throwIfAborted(source.signal);
    hash.update(await reader.read(offset, Math.min(pieceSize, reader.size - offset)));
  }
  return hash.digest("hex") === record?.storedDigest ? undefined : "it is not what was archived: its digest does not match";
}

/** Without a digest damage shows only in the records. */
async function faultOfRecords(source: WalSource, name: string): Promise<string | undefined> {
  const { segmentSize } = source.inventory;
  const { start } = parseSegmentName(name, segmentSize);
  const records = createWalRecordReader({ start, segmentSize, verify: true });
  try {
    const read = await readSegment(source, name, (piece) => {
      records.write(piece);
    });
    if (read === undefined) return gone;
  } catch (error) {
    return reasonOf(error);
  }
  records.finish();
  const { stopped } = records;
  return stopped === undefined ? undefined : `damaged at ${formatLsn(stopped.at)}: ${stopped.damage ?? "nothing but zeros follow"}`;
}

/** What makes a segment useless, as a sentence; anything else that fails is thrown. */
export function reasonOf(error: unknown): string {
  const known = [
    repositoryErrors.walDamaged,
    pipelineErrors.damaged,
    encryptionErrors.malformed,
    encryptionErrors.notAuthentic,
    encryptionErrors.keyUnknown,
    repositoryErrors.masterKeyWrong,
    repositoryErrors.dataKeyMissing,
  ];
  if (error instanceof MonetaError && known.some((each) => each.is(error))) return messageOf(error);
  throw error;
}
