/**
 * One segment being received: `<segment>.partial`. What a start finds there is compared with what the server sends
 * again, never trusted and never cut; what is new is appended. What is the same is written once more: of bytes that
 * another process wrote, a sync says only whether they are on disk if nobody was told of the failure before (errseq_t
 * of Linux), and reading them shows the page cache. All that a promise rests on is synchronous: the receiver does nothing
 * else, and a thread hop costs more than the write (a commit waits for this).
 */
import { closeSync } from "node:fs";
import { join } from "node:path";
import { commonErrors, MonetaError, publishOpenFileSync } from "../common/index.ts";
import { formatLsn, lsnPlus, partialFileName, type Lsn } from "../postgres/index.ts";
import { evidencePath, keepServersVersion } from "./divergence-evidence.ts";
import { createEarlyWriting } from "./early-writing.ts";
import { walErrors } from "./errors.ts";
import { systemSegmentCalls, type SegmentCalls } from "./segment-calls.ts";
import { syncError, writeError } from "./segment-errors.ts";
import { dropIfSame, forgetAside, giveUpPartial, openPartial } from "./partial-file.ts";

export interface SegmentFile {
  readonly name: string;
  /** Bytes taken so far: compared or written. */
  readonly offset: number;
  /** Bytes that are on disk and known to be what the server has; undefined until what was compared is synced. */
  readonly durable: number | undefined;
  /** Bytes that the next sync makes durable; none while the comparison is not through. */
  readonly unsynced: number;
  /** Takes the next bytes; at most up to the end of the segment. Throws WAL_DIVERGED, WAL_DISK_FULL, WAL_WRITE_FAILED. */
  take(piece: Buffer): void;
  /** Has what was taken so far written while more comes; promises nothing. A failure is told by the next sync. */
  writeEarly(): void;
  /** fdatasync. Throws WAL_SYNC_FAILED or WAL_DISK_FULL; the file must not be used again after that. */
  sync(): void;
  /** A full segment gets its final name, durably. */
  complete(): void;
  /** Closes the file without a further promise. */
  close(): void;
  /** Closes the file and gives it another name, so that the segment is received again from its start. */
  setAside(): void;
}

export interface SegmentFileOptions {
  /** Absolute path of the WAL directory. */
  readonly directory: string;
  readonly name: string;
  readonly start: Lsn;
  readonly segmentSize: number;
  /** Bytes of an existing partial segment that hold WAL (its length, less the zeros of one that was filled in advance). */
  readonly existing: number;
  readonly calls?: SegmentCalls;
}

const compareBlock = 256 * 1024;

/** Opens, or begins, the partial segment `name`; what it holds already is synced before this returns. */
export function openSegmentFile(options: SegmentFileOptions): SegmentFile {
  const { directory, name, start, segmentSize, existing, calls = systemSegmentCalls } = options;
  const path = join(directory, partialFileName(name));
  const fd = openPartial(calls, { path, directory, existing, segmentSize });
  const stored = Buffer.allocUnsafe(existing > 0 ? compareBlock : 0);
  let offset = 0;
  /** Bytes written by us, new or once more, and synced. */
  let synced = 0;
  const early = createEarlyWriting(calls, path);
  let open = true;

  /** Compares the first `old` bytes of the piece; all of it is evidence when they differ. */
  const compare = (piece: Buffer, old: number): void => {
    for (let done = 0; done < old; ) {
      const length = Math.min(old - done, compareBlock);
      const expected = stored.subarray(0, length);
      if (calls.read(fd, expected, offset) !== length) {
        throw walErrors.writeFailed(`"${path}" became shorter while it was compared`, { path, offset });
      }
      if (!expected.equals(piece.subarray(done, done + length))) throw divergence(expected, piece.subarray(done));
      append(piece.subarray(done, done + length));
      done += length;
    }
  };

  const divergence = (expected: Buffer, received: Buffer): MonetaError => {
    let at = 0;
    while (expected[at] === received[at]) at += 1;
    const where = formatLsn(lsnPlus(start, offset + at));
    const evidence = evidencePath(path);
    const kept = keepServersVersion(calls, fd, offset, received, evidence) ? `; its version is kept in "${evidence}"` : "";
    return walErrors.diverged(`the server sends other WAL at ${where} than is stored in "${path}"${kept}`, { path, lsn: where, evidence });
  };

  const append = (piece: Buffer): void => {
    for (let done = 0; done < piece.length; ) {
      let written: number;
      try {
        written = calls.write(fd, done === 0 ? piece : piece.subarray(done), offset);
      } catch (error) {
        throw writeError(error, path, piece.length - done);
      }
      offset += written;
      done += written;
    }
  };

  const sync = (): void => {
    if (early.failure !== undefined) throw syncError(early.failure, path, "written");
    if (offset < existing || offset === synced) return;
    try {
      calls.datasync(fd);
    } catch (error) {
      throw syncError(error, path, "synced");
    }
    synced = offset;
  };

  const publish = (): void => {
    try {
      publishOpenFileSync(fd, path, join(directory, name));
    } catch (error) {
      if (commonErrors.targetExists.is(error)) {
        // Whoever pushes WAL was quicker; what is the same is one segment.
        if (dropIfSame(calls, fd, path, join(directory, name), segmentSize)) return;
        throw walErrors.segmentExists(`segment ${name} is complete already, with other content`, { segment: name }, error);
      }
      throw error instanceof MonetaError ? error : syncError(error, path, "completed");
    }
  };

  const close = (): void => {
    early.close();
    if (open) closeSync(fd);
    open = false;
  };

  return {
    name,
    get offset() {
      return offset;
    },
    get durable() {
      return synced < existing ? undefined : synced;
    },
    get unsynced() {
      return offset < existing ? 0 : offset - synced;
    },
    take(piece) {
      const old = Math.min(piece.length, Math.max(0, existing - offset));
      if (old > 0) compare(piece, old);
      if (old < piece.length) append(old === 0 ? piece : piece.subarray(old));
    },
    writeEarly() {
      if (offset >= existing) early.begin();
    },
    sync,
    complete() {
      if (offset !== segmentSize) throw walErrors.segmentMalformed(`"${path}" has ${offset} of ${segmentSize} bytes`, { path, offset });
      sync();
      publish();
      close();
      forgetAside(path);
    },
    close,
    setAside() {
      close();
      giveUpPartial(path, Math.max(existing, synced));
    },
  };
}
