/**
 * Stored WAL that ends exactly with a segment leaves no partial one whose bytes the stream could be compared with: a
 * server that was reset to an older state, and has passed that position again, would be believed. So its last segment
 * is asked for once more, and compared by digest, whatever form and key the stored one has. The same where the server
 * left a timeline for one of which nothing is stored: what leads up to the fork is compared with the ancestor's copy.
 */
import { createHash } from "node:crypto";
import { commonErrors, toMonetaError } from "../common/index.ts";
import {
  lsn,
  formatLsn,
  invalidLsn,
  segmentName,
  segmentStart,
  timelineBegin,
  timelineContaining,
  type Lsn,
  type TimelineHistory,
  type TimelineId,
} from "../postgres/index.ts";
import { readStoredFile, type HashAlgorithm } from "../pipeline/index.ts";
import { replicationErrors, startWalStream, type Connection, type WalStream } from "../replication/index.ts";
import { hashStoredFile, type WalInventory, type WalLocation } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import type { Logger } from "../log/index.ts";
import { walErrors } from "./errors.ts";
import type { StartPoint } from "./start-point.ts";

export interface LastSegmentCheck {
  readonly connection: Connection;
  readonly storage: Storage;
  readonly inventory: WalInventory;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** What earlier attempts found out. */
export interface LastSegmentMemory {
  /** The server has removed the segment that ends here: asking again is of no use. */
  uncomparable: Lsn | undefined;
}

const readBlock = 1024 * 1024;

interface Digest {
  readonly hash: HashAlgorithm;
  readonly value: string;
}

/** Bytes that are stored and that the server has too: `begin` is the start of a segment. */
export interface Stretch {
  readonly timeline: TimelineId;
  readonly begin: Lsn;
  readonly end: Lsn;
}

/**
 * Throws WAL_DIVERGED when the server has other bytes for the last stored segment of its line, up to the fork where
 * another timeline goes on; nothing is written.
 */
export async function refuseOtherLastSegment(check: LastSegmentCheck, history: TimelineHistory, found: StartPoint, memory: LastSegmentMemory): Promise<void> {
  const { inventory, logger } = check;
  const last = lastStretch(history, found, inventory.segmentSize);
  if (last === undefined || memory.uncomparable === last.end) return;
  const { timeline, begin, end } = last;
  const segment = segmentName(timeline, begin, inventory.segmentSize);
  const outcome = await compareWithServer(check, last);
  if (outcome === "same" || outcome === "not stored") return;
  if (outcome === "other") {
    throw walErrors.diverged(`the server's segment ${segment} has other bytes than the stored one, before ${formatLsn(end)}`, { timeline, segment });
  }
  memory.uncomparable = end;
  const why = outcome === "encrypted" ? "it is encrypted" : "the server has removed it";
  logger.warn(`segment ${segment}, the last one stored, cannot be compared with the server's: ${why}`, { segment });
}

/** Whether the server has the bytes that are stored, or why nobody knows. */
export async function compareWithServer(
  check: LastSegmentCheck,
  stretch: Stretch,
): Promise<"same" | "other" | "not stored" | "encrypted" | "removed"> {
  const { inventory } = check;
  const location = await inventory.find(segmentName(stretch.timeline, stretch.begin, inventory.segmentSize));
  if (location === undefined) return "not stored";
  const stored = await digestOfStored(check, location, stretch);
  if (stored === undefined) return "encrypted";
  const received = await digestOfServers(check, stretch, stored.hash);
  if (received === undefined) return "removed";
  return received === stored.value.toLowerCase() ? "same" : "other";
}

/** What the stream itself will not be compared with; undefined where a partial segment is. */
function lastStretch(history: TimelineHistory, { timeline, start, existingEnd, durable }: StartPoint, segmentSize: number): Stretch | undefined {
  if (durable === undefined || durable === invalidLsn || existingEnd !== start) return undefined;
  if (durable !== start && durable !== timelineBegin(history, timeline)) return undefined;
  const lastByte = lsn(durable - 1n);
  return { timeline: timelineContaining(history, lastByte), begin: segmentStart(lastByte, segmentSize), end: durable };
}

/** Of the plain bytes of the stretch; undefined when they cannot be had without a key. */
async function digestOfStored({ storage, inventory, signal }: LastSegmentCheck, location: WalLocation, { begin, end }: Stretch): Promise<Digest | undefined> {
  const { form, path, suffix, record } = location;
  const whole = end - begin === BigInt(inventory.segmentSize);
  if (record !== undefined && whole) return { hash: record.hash, value: record.plainDigest };
  const hash = "sha256";
  if (form === "raw" && whole) return { hash, value: await hashStoredFile(storage, path, hash) };
  if (suffix.endsWith(".aes")) return undefined;
  const digest = createHash(hash);
  let left = Number(end - begin);
  const take = (piece: Buffer): Promise<void> => {
    digest.update(piece.subarray(0, left));
    left -= Math.min(left, piece.length);
    return Promise.resolve();
  };
  const source = await storage.openFile(path);
  try {
    if (suffix !== "" && form === "archived") await readStoredFile({ source, hash, concurrency: 1, signal }, take);
    else for (let at = 0; left > 0 && at < source.size; at += readBlock) await take(await source.read(at, Math.min(readBlock, source.size - at)));
  } finally {
    await source.close();
  }
  return left > 0 ? undefined : { hash, value: digest.digest("hex") };
}

/** Of what the server sends for the stretch; undefined when it does not have it any more. */
function digestOfServers({ connection, signal }: LastSegmentCheck, { timeline, begin, end }: Stretch, hash: HashAlgorithm): Promise<string | undefined> {
  const digest = createHash(hash);
  let left = Number(end - begin);
  return new Promise((resolve, reject) => {
    const stop = (): void => stream.stop();
    const done = (): void => signal.removeEventListener("abort", stop);
    const ended = (): void => {
      done();
      if (left === 0) resolve(digest.digest("hex"));
      else reject(signal.aborted ? commonErrors.aborted("the receiver ends") : replicationErrors.streamBroken("the server ended the stream within a segment that it has"));
    };
    const stream: WalStream = startWalStream(
      connection,
      { timeline, start: begin },
      {
        onData(_start, piece) {
          if (left === 0) return;
          const own = piece.subarray(0, left);
          digest.update(own);
          left -= own.length;
          if (left === 0) stream.stop();
        },
        // It is nothing new that is received here: nothing is acknowledged, only a sign of life given.
        onKeepalive: () => stream.sendStatus({ write: invalidLsn, flush: invalidLsn, apply: invalidLsn }),
        onTimelineEnd: ended,
        onClosed(error) {
          if (error === undefined) ended();
          else {
            done();
            if (replicationErrors.walRemoved.is(error)) resolve(undefined);
            else reject(toMonetaError(error));
          }
        },
      },
    );
    signal.addEventListener("abort", stop, { once: true });
  });
}
