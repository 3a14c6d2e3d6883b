/**
 * Reads a tar archive that arrives in pieces of any size, without I/O of its own: synchronous, and holding at
 * most one header block. Pieces of bodies are handed on as views of the input.
 */
import { isUtf8 } from "node:buffer";
import { tarErrors } from "./errors.ts";
import { BLOCK_LENGTH, isZeroBlock, parseTarHeader, type TarEntry } from "./tar-header.ts";

export interface TarHandler {
  onEntry(entry: TarEntry): void;
  /** The next bytes of the entry's body; valid only during the call. */
  onData(piece: Uint8Array): void;
  /** The entry is complete; called for every entry, also for those without a body. */
  onEnd(): void;
  /** Names as strings; the standard accepts UTF-8 only and refuses anything else. */
  readonly decodePath?: (raw: Buffer) => string;
}

export interface TarReader {
  /** @throws TAR_MALFORMED, TAR_ENTRY_REFUSED, and what the handler throws; the reader is then of no more use */
  write(piece: Uint8Array): void;
  /** The archive must end here: between entries, with or without its two blocks of zeros (13 and 14 send none). */
  finish(): void;
}

function decodeUtf8(raw: Buffer): string {
  if (!isUtf8(raw))
    throw tarErrors.refused(`tar entry whose name is not UTF-8: ${JSON.stringify(raw.toString("latin1"))}`);
  return raw.toString("utf8");
}

/** A reader at the start of an archive. */
export function createTarReader(handler: TarHandler): TarReader {
  const decodePath = handler.decodePath ?? decodeUtf8;
  const block = Buffer.alloc(BLOCK_LENGTH);
  let blockLength = 0;
  let entry: TarEntry | undefined;
  let bodyLeft = 0;
  let paddingLeft = 0;
  let zeroBlocks = 0;
  let broken = false;

  const endEntry = (): void => {
    entry = undefined;
    handler.onEnd();
  };

  const header = (bytes: Uint8Array): void => {
    if (isZeroBlock(bytes)) {
      zeroBlocks++;
      return;
    }
    if (zeroBlocks > 0) throw tarErrors.malformed("tar archive goes on behind its end");
    entry = parseTarHeader(bytes, decodePath);
    bodyLeft = entry.size;
    paddingLeft = (BLOCK_LENGTH - (entry.size % BLOCK_LENGTH)) % BLOCK_LENGTH;
    handler.onEntry(entry);
    if (bodyLeft === 0) endEntry();
  };

  /** Consumes the beginning of `piece` and tells how many bytes that was. */
  const step = (piece: Uint8Array): number => {
    if (bodyLeft > 0) {
      const part = bodyLeft >= piece.length ? piece : piece.subarray(0, bodyLeft);
      bodyLeft -= part.length;
      handler.onData(part);
      if (bodyLeft === 0) endEntry();
      return part.length;
    }
    if (paddingLeft > 0) {
      const skipped = Math.min(paddingLeft, piece.length);
      paddingLeft -= skipped;
      return skipped;
    }
    if (blockLength === 0 && piece.length >= BLOCK_LENGTH) {
      header(piece.subarray(0, BLOCK_LENGTH));
      return BLOCK_LENGTH;
    }
    const part = Math.min(BLOCK_LENGTH - blockLength, piece.length);
    block.set(piece.subarray(0, part), blockLength);
    blockLength += part;
    if (blockLength === BLOCK_LENGTH) {
      blockLength = 0;
      header(block);
    }
    return part;
  };

  return {
    write(piece) {
      if (broken) throw tarErrors.malformed("tar archive was found damaged before");
      broken = true;
      for (let offset = 0; offset < piece.length;) offset += step(offset === 0 ? piece : piece.subarray(offset));
      broken = false;
    },
    finish() {
      if (broken) throw tarErrors.malformed("tar archive was found damaged before");
      if (entry !== undefined) throw tarErrors.malformed(`tar archive ends within ${JSON.stringify(entry.path)}`);
      if (blockLength > 0 || paddingLeft > 0) throw tarErrors.malformed("tar archive ends within a block");
      if (zeroBlocks === 1) throw tarErrors.malformed("tar archive ends after the first of its two closing blocks");
    },
  };
}
