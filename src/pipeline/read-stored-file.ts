/**
 * The pipeline walked back: the plain bytes of a stored file, in order, with everything checked on the way:
 * lengths, the encryption's tags, the formats' own checks, CRC-32C of each chunk, digests of the whole.
 */
import { pipelineErrors } from "./errors.ts";
import { readIndexed } from "./indexed-reader.ts";
import { specFromName } from "./pipeline-spec.ts";
import type { RandomReader } from "./random-reader.ts";
import type { ChunkReceiver, ExpectedMeasures, ReadMeasures, ReadStoredFileOptions } from "./stored-file.ts";
import { readWalked } from "./walking-reader.ts";

/**
 * Reads one stored file whole. Chunks are delivered one at a time, in order, each checked as far as it can be by
 * itself; only when the promise is fulfilled is the file as a whole known to be what was written.
 * @throws STORED_FILE_DAMAGED naming the file, ENCRYPTION_KEY_UNKNOWN, and whatever source or receiver throw
 */
export async function readStoredFile(options: ReadStoredFileOptions, onChunk: ChunkReceiver): Promise<ReadMeasures> {
  const { source, expected, chunks } = options;
  const format = options.format ?? specFromName(source.name);
  requireSize(source, expected);
  const measures =
    chunks === undefined
      ? await readWalked(options, format, onChunk)
      : await readIndexed({ ...options, chunks }, format, onChunk);
  requireMeasures(measures, expected, source);
  return measures;
}

/** Throws when the file does not have its size, which is known without reading it. */
export function requireSize(source: RandomReader, expected: ExpectedMeasures | undefined): void {
  if (expected?.storedSize === undefined || expected.storedSize === source.size) return;
  throw pipelineErrors.damaged(`${source.name} has ${source.size} bytes instead of ${expected.storedSize}`, { file: source.name });
}

/** Throws when what was measured of the whole file is not what was expected. */
export function requireMeasures(measures: ReadMeasures, expected: ExpectedMeasures | undefined, source: RandomReader): void {
  const compare = (what: string, found: number | string | undefined, due: number | string | undefined): void => {
    if (due === undefined || found === undefined || due === found) return;
    throw pipelineErrors.damaged(`${source.name}: ${what} is ${found} instead of ${due}`, { file: source.name });
  };
  compare("plain size", measures.plainSize, expected?.plainSize);
  compare("digest of the stored bytes", measures.storedDigest, expected?.storedDigest?.toLowerCase());
  compare("digest of the plain bytes", measures.plainDigest, expected?.plainDigest?.toLowerCase());
}
