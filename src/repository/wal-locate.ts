/** Finding a segment while receiver and archiver move it from one form to the next. */
import { MonetaError } from "../common/index.ts";
import { partialFileName } from "../postgres/index.ts";
import type { RandomReader, Storage } from "../storage/index.ts";
import { storageErrors } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import type { ServerLayout } from "./layout.ts";
import type { WalForm } from "./wal-file.ts";
import { archivedSuffixes } from "./wal-file.ts";
import type { WalIndex, WalRecord } from "./wal-index.ts";

/** Where the bytes of a segment are. */
export interface WalLocation {
  readonly segment: string;
  readonly form: WalForm;
  readonly path: string;
  /** After the name of the segment. */
  readonly suffix: string;
  /** Stored bytes at the time of looking. */
  readonly size: number;
  /** What the index knows of an archived segment; pgmoneta's have no record. */
  readonly record?: WalRecord | undefined;
}

/** A segment opened for reading: it stays readable whatever becomes of its name. */
export interface OpenSegment {
  readonly location: WalLocation;
  readonly reader: RandomReader;
}

export interface WalLocator {
  /** Archived and recorded before raw, complete before partial; undefined when there is none. */
  find(segment: string): Promise<WalLocation | undefined>;
  /** Finds and opens in one step that a change of form cannot disturb. */
  open(segment: string): Promise<OpenSegment | undefined>;
}

/** A segment changes its form twice in its life; more attempts than that mean that something else removes files. */
const attempts = 5;

export function createWalLocator(storage: Storage, layout: ServerLayout, index: WalIndex): WalLocator {
  /** The suffix that the last archived segment had: nearly always that of the next one. */
  let likely = "";

  async function sizeOf(name: string): Promise<number | undefined> {
    const facts = await storage.stat(layout.walFile(name));
    return facts?.kind === "file" ? facts.size : undefined;
  }

  /** A stored segment without a suffix is archived when the index says so, else still raw. */
  async function recordOf(segment: string, suffix: string): Promise<WalRecord | undefined> {
    try {
      const record = await index.lookup(segment);
      return record?.suffix === suffix ? record : undefined;
    } catch (error) {
      // Without its record a segment claims less, and can still be read and archived anew.
      if (repositoryErrors.walIndexDamaged.is(error)) return undefined;
      throw error;
    }
  }

  async function find(segment: string): Promise<WalLocation | undefined> {
    // In the order of its life: what is not there yet when looked for can only be found further on, and what is gone
    // has its next form already. In the opposite order a segment could slip by.
    const partial = await sizeOf(partialFileName(segment));
    const raw = await sizeOf(segment);
    for (const suffix of [likely, ...archivedSuffixes]) {
      if (suffix === "") continue;
      const size = await sizeOf(segment + suffix);
      if (size === undefined) continue;
      likely = suffix;
      const record = await recordOf(segment, suffix);
      // The record comes after the check of the archived file: without it the raw one is the one to trust.
      if (record === undefined && raw !== undefined) break;
      return { segment, form: "archived", path: layout.walFile(segment + suffix), suffix, size, record };
    }
    if (raw !== undefined) {
      const record = await recordOf(segment, "");
      const form = record === undefined ? "raw" : "archived";
      return { segment, form, path: layout.walFile(segment), suffix: "", size: raw, record };
    }
    if (partial === undefined) return findArchivedPartial(segment);
    const name = partialFileName(segment);
    return { segment, form: "partial", path: layout.walFile(name), suffix: ".partial", size: partial };
  }

  /** What an earlier cluster ended with; without its record nobody knows how much of it counts. */
  async function findArchivedPartial(segment: string): Promise<WalLocation | undefined> {
    const record = await index.lookup(segment).catch((error: unknown) => {
      if (repositoryErrors.walIndexDamaged.is(error)) return undefined;
      throw error;
    });
    if (record?.suffix.startsWith(".partial") !== true) return undefined;
    const size = await sizeOf(segment + record.suffix);
    if (size === undefined) return undefined;
    return { segment, form: "partial", path: layout.walFile(segment + record.suffix), suffix: record.suffix, size, record };
  }

  async function open(segment: string): Promise<OpenSegment | undefined> {
    let gone: MonetaError | undefined;
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const location = await find(segment);
      if (location === undefined) return undefined;
      try {
        return { location, reader: await storage.openFile(location.path) };
      } catch (error) {
        // The archiver was quicker; the next form is there by now.
        if (!(error instanceof MonetaError) || !storageErrors.notFound.is(error)) throw error;
        gone = error;
      }
    }
    throw gone ?? storageErrors.notFound(`segment ${segment} disappeared while it was opened`, { segment });
  }

  return { find, open };
}
