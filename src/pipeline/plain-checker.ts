/**
 * Checks a file that is stored as it was, in the thread that calls: what `createFileChecker` finds, without its buffers and
 * messages. One small buffer is filled again and again, so that whatever is computed finds its bytes in the processor's cache.
 */
import type { PageReport } from "../postgres/index.ts";
import { appendCrc32c } from "./crc32c.ts";
import { pipelineErrors } from "./errors.ts";
import type { CheckFileOptions } from "./file-checker.ts";
import { createRunningDigest } from "./file-measures.ts";
import { requireChecksum, requirePlausibleIndex } from "./indexed-reader.ts";
import type { RandomReader } from "./random-reader.ts";
import { requireMeasures, requireSize } from "./read-stored-file.ts";
import { createRunningMeasure, type WholeFileMeasure } from "./running-measure.ts";

/** What is known of the file. */
export type PlainFileFacts = Pick<CheckFileOptions, "chunks" | "expected" | "hash" | "headerSize" | "pages">;

/**
 * Reads the file whole, `room.length` bytes at a time. Gives what became of its pages; undefined for a file without any that
 * were asked about. Throws STORED_FILE_DAMAGED naming the file, and what the source throws.
 */
export async function checkPlainFile(source: RandomReader, file: PlainFileFacts, room: Buffer): Promise<PageReport | undefined> {
  const { chunks, expected, hash, headerSize, pages } = file;
  const index = { source, chunks, headerSize };
  requireSize(source, expected);
  requirePlausibleIndex(index, 0);
  const refuse = (number: number, reason: string): never => {
    throw pipelineErrors.damaged(`${source.name}: ${reason}`, { file: source.name, chunk: number });
  };
  const running = createRunningMeasure({ hash, pages });
  let whole: WholeFileMeasure | undefined;
  let at = 0;
  for (const [number, { stored, plain }] of chunks.entries()) {
    if (stored !== plain) refuse(number, `chunk ${number} holds ${stored} bytes where ${plain} are due`);
    const end = at + stored;
    let crc32c = 0;
    do {
      const length = Math.min(room.length, end - at);
      const piece = await source.read(at, length, room);
      if (piece.length !== length) refuse(number, `it ends within chunk ${number}`);
      at += length;
      const measure = running.add(piece, at === end && number === chunks.length - 1);
      crc32c = appendCrc32c(crc32c, measure.crc32c, length);
      whole = measure.file ?? whole;
    } while (at < end);
    requireChecksum(crc32c, number, index);
  }
  const digest = whole?.digest ?? createRunningDigest(hash).finish();
  requireMeasures({ plainSize: at, plainDigest: digest, storedDigest: digest }, expected, source);
  return whole?.pages;
}
