/** The WAL of one timeline on its way to disk: segment after segment, each a `.partial` until it is full. */
import { syncDirectorySync } from "../common/index.ts";
import { invalidLsn, lsnPlus, segmentName, type Lsn, type TimelineId } from "../postgres/index.ts";
import { walErrors } from "./errors.ts";
import type { SegmentCalls } from "./segment-calls.ts";
import { writeError } from "./segment-errors.ts";
import { openSegmentFile, type SegmentFile } from "./segment-file.ts";

export interface WalWriterOptions {
  /** Absolute path of the WAL directory. */
  readonly directory: string;
  readonly timeline: TimelineId;
  /** Start of the segment that streaming begins with. */
  readonly start: Lsn;
  readonly segmentSize: number;
  /** First position that the partial segment at `start` does not hold; `start` when there is none. */
  readonly existingEnd: Lsn;
  /** A segment is complete and durable under its final name. */
  readonly onComplete: (segment: string) => void;
  readonly calls?: SegmentCalls | undefined;
}

export interface WalWriter {
  /** First position that was not taken yet. */
  readonly received: Lsn;
  /**
   * First position that is not known to be durable: what a standby status update may report as flushed. `invalidLsn`
   * (0/0, which moves nothing on the server) while the comparison with what was there before is not through.
   */
  readonly flushed: Lsn;
  readonly comparing: boolean;
  /** Bytes taken and not synced. */
  readonly unsynced: number;
  /** Takes WAL that begins at `received`. */
  take(piece: Buffer): void;
  /** Has what was taken written to disk while more comes; says nothing about what is durable. */
  writeEarly(): void;
  /** Makes everything taken durable. When that fails the segment was set aside and this writer is used up. */
  sync(): void;
  /** Closes the segment at hand; sync first what is to be kept. Repeatable. */
  close(): void;
}

/** The names of complete segments are durable when this returns, whoever renamed them last. */
export function createWalWriter(options: WalWriterOptions): WalWriter {
  const { directory, timeline, segmentSize, existingEnd, calls } = options;
  let start = options.start;
  let file: SegmentFile | undefined;
  let usedUp = false;
  // While the first segment is compared nothing may be reported; afterwards this only grows.
  let flushed: Lsn = existingEnd > start ? invalidLsn : start;
  syncNames();

  /** A crash between the rename of a segment and the sync of its directory must not make the first report a lie. */
  function syncNames(): void {
    try {
      syncDirectorySync(directory);
    } catch (error) {
      throw writeError(error, directory, 0);
    }
  }

  /**
   * Also of a segment that was pushed already: nothing is written over it. Where it is stored under the same name the full
   * segment is compared with it, in another form by the archiver, which knows the keys.
   */
  const openNext = (): SegmentFile => {
    const name = segmentName(timeline, start, segmentSize);
    const existing = existingEnd > start ? Number(existingEnd - start) : 0;
    return openSegmentFile({ directory, name, start, segmentSize, existing, ...(calls === undefined ? {} : { calls }) });
  };

  const note = (): void => {
    if (file?.durable !== undefined) flushed = lsnPlus(start, file.durable);
  };

  /** After a failed sync the kernel may have dropped the pages: the file can never be trusted again. The server still has the segment. */
  const distrusting = (at: SegmentFile, step: () => void): void => {
    try {
      step();
    } catch (error) {
      if (walErrors.syncFailed.is(error) || walErrors.diskFull.is(error)) {
        usedUp = true;
        file = undefined;
        at.setAside();
      }
      throw error;
    }
  };

  const finish = (full: SegmentFile): void => {
    distrusting(full, () => {
      full.complete();
    });
    file = undefined;
    start = lsnPlus(start, segmentSize);
    flushed = start;
    options.onComplete(full.name);
  };

  return {
    get received() {
      return file === undefined ? start : lsnPlus(start, file.offset);
    },
    get flushed() {
      return flushed;
    },
    get comparing() {
      return flushed === invalidLsn;
    },
    get unsynced() {
      return file?.unsynced ?? 0;
    },
    take(piece) {
      if (usedUp) throw walErrors.syncFailed("the segment was given up after a failed sync");
      for (let done = 0; done < piece.length; ) {
        file ??= openNext();
        const room = segmentSize - file.offset;
        const length = Math.min(room, piece.length - done);
        file.take(length === piece.length ? piece : piece.subarray(done, done + length));
        done += length;
        note();
        if (file.offset === segmentSize) finish(file);
      }
    },
    writeEarly() {
      file?.writeEarly();
    },
    sync() {
      const at = file;
      if (at === undefined) return;
      distrusting(at, () => {
        at.sync();
      });
      note();
    },
    close() {
      file?.close();
      file = undefined;
      usedUp = true;
    },
  };
}
