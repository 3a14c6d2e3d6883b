/**
 * Checks the page checksums of a relation file while it streams by. A file of a running server is not frozen: pages
 * that changed since the backup began will be replayed from WAL and are passed over (`verify_page_checksum`,
 * basebackup.c), just as pages that were added and never filled.
 */
import type { Lsn } from "./lsn.ts";
import { lsnParts } from "./lsn.ts";
import { checkBlockSize, checksumOf } from "./page-checksum.ts";
import { openPageMemory } from "./page-memory.ts";
import { parseRelationPath } from "./relation-file.ts";

export interface PageVerifierOptions {
  /** Path of the file in the backup, see `parseRelationPath`. */
  readonly path: string;
  /** Where the backup began: pages at or above it are replayed, whatever they hold. */
  readonly startLsn: Lsn;
  /** Bytes of a page. */
  readonly blockSize: number;
  /** Pages in one file of a large relation. */
  readonly relationSegmentBlocks: number;
}

/** A page whose content is not what its checksum was made of. */
export interface BadPage {
  /** Number within this file, from 0, as in PostgreSQL's own messages. */
  readonly block: number;
  /** Computed from the content. */
  readonly expected: number;
  /** Stored in the page. */
  readonly found: number;
}

export interface PageReport {
  /** Whole pages seen. */
  readonly pages: number;
  /** Pages whose checksum was compared. */
  readonly checked: number;
  /** Pages full of zeros. */
  readonly newPages: number;
  /** Pages that changed after the backup began. */
  readonly skipped: number;
  /** Pages with a new page's header and other content: written while they were read, or damaged; the server cannot tell either. */
  readonly unclear: number;
  /** The first 100 bad pages. */
  readonly bad: readonly BadPage[];
  readonly badCount: number;
  /** Bytes after the last whole page; a sound relation has none. */
  readonly tailBytes: number;
}

export interface PageVerifier {
  /** Reads a piece of the file of any length, in order; it is not kept. */
  update(piece: Uint8Array): void;
  finish(): PageReport;
}

const namedPages = 100;
const checksumOffset = 8;
const upperOffset = 14;

/** A verifier for the file, or null when it holds no pages with checksums. Throws BLOCK_SIZE_INVALID. */
export function createPageVerifier(options: PageVerifierOptions): PageVerifier | null {
  const { blockSize, relationSegmentBlocks } = options;
  checkBlockSize(blockSize);
  const relation = parseRelationPath(options.path);
  if (relation === undefined) return null;
  const firstBlock = relation.segment * relationSegmentBlocks;
  // Block numbers have 32 bits: what lies beyond is no segment of a relation.
  if (firstBlock + relationSegmentBlocks > 0x1_0000_0000) return null;
  const { high: startHigh, low: startLow } = lsnParts(options.startLsn);
  const wordsPerPage = blockSize / 4;
  const memory = openPageMemory();
  const { words } = memory;
  /** The beginning of a page whose end comes with the next piece. */
  const part = new Uint8Array(blockSize);
  const bad: BadPage[] = [];
  let filled = 0;
  let pages = 0;
  let checked = 0;
  let newPages = 0;
  let skipped = 0;
  let unclear = 0;
  let badCount = 0;

  function allZero(from: number): boolean {
    for (let at = from; at < from + wordsPerPage; at += 1) if (words[at] !== 0) return false;
    return true;
  }

  function checkPage(from: number): void {
    const block = pages;
    pages += 1;
    // pd_upper is the upper half of the word that begins with pd_lower.
    if (words[from + (upperOffset - 2) / 4]! >>> 16 === 0) {
      if (allZero(from)) newPages += 1;
      else unclear += 1;
      return;
    }
    const high = words[from]! >>> 0;
    const low = words[from + 1]! >>> 0;
    if (high > startHigh || (high === startHigh && low >= startLow)) {
      skipped += 1;
      return;
    }
    checked += 1;
    const found = words[from + checksumOffset / 4]! & 0xffff;
    words[from + checksumOffset / 4]! &= 0xffff_0000;
    const expected = checksumOf(memory.fold(4 * from, blockSize), firstBlock + block);
    if (found === expected) return;
    badCount += 1;
    if (bad.length < namedPages) bad.push({ block, expected, found });
  }

  function checkPages(bytes: Uint8Array): void {
    memory.bytes.set(bytes);
    for (let from = 0; from < bytes.length / 4; from += wordsPerPage) checkPage(from);
  }

  return {
    update(piece) {
      let at = 0;
      if (filled > 0) {
        at = Math.min(blockSize - filled, piece.length);
        part.set(piece.subarray(0, at), filled);
        filled += at;
        if (filled < blockSize) return;
        filled = 0;
        checkPages(part);
      }
      const end = piece.length - ((piece.length - at) % blockSize);
      for (; at < end; at += memory.bytes.length) checkPages(piece.subarray(at, Math.min(end, at + memory.bytes.length)));
      part.set(piece.subarray(end));
      filled = piece.length - end;
    },
    finish() {
      return { pages, checked, newPages, skipped, unclear, bad, badCount, tailBytes: filled };
    },
  };
}
