/**
 * What earlier runs of the archiver, or something else, left of a segment whose raw form is still there. It is compared
 * before anything is replaced or removed: two contents of one segment are for a person to look at.
 */
import type { KeyRing } from "../encryption/index.ts";
import { readStoredFile, type HashAlgorithm } from "../pipeline/index.ts";
import { archivedSuffixes, hashStoredFile, repositoryErrors, type WalInventory, type WalRecord } from "../repository/index.ts";
import { storageErrors, type Storage } from "../storage/index.ts";
import { walErrors } from "./errors.ts";

export interface EarlierFormsOptions {
  readonly storage: Storage;
  readonly inventory: WalInventory;
  readonly hash: HashAlgorithm;
  readonly keys: KeyRing;
  readonly signal: AbortSignal;
  /** Where the received bytes lie if not under the name of the segment. */
  readonly unnamed?: { readonly path: string } | undefined;
}

const rawPath = (segment: string, { inventory, unnamed }: EarlierFormsOptions): string =>
  unnamed?.path ?? inventory.layout.walFile(segment);

/**
 * The record of the segment when its recorded form is there and reads back as the raw segment: only the removal of the
 * raw one was left to do. Undefined when there is no such form, or a damaged one, which is made anew from the raw one.
 */
export async function recordedForm(segment: string, options: EarlierFormsOptions): Promise<WalRecord | undefined> {
  const record = await lookUp(segment, options.inventory);
  if (record === undefined || record.suffix === "") return undefined;
  if (isOfPartial(record)) {
    await refuseOtherBeginning(segment, record, options);
    return undefined;
  }
  const { storage, inventory } = options;
  const layout = inventory.layout;
  const path = layout.walFile(segment + record.suffix);
  if ((await storage.stat(path)) === undefined) return undefined;
  const received = await hashStoredFile(storage, rawPath(segment, options), record.hash);
  if (received !== record.plainDigest) throw conflict(segment, record.suffix);
  return (await digestOf(path, options, record)) === received ? record : undefined;
}

/** What a cluster ended with that was none of this server's for a while; see `archivePartial`. */
export const isOfPartial = ({ suffix }: WalRecord): boolean => suffix.startsWith(".partial");

async function refuseOtherBeginning(segment: string, { hash, plainDigest, plainSize, suffix }: WalRecord, options: EarlierFormsOptions): Promise<void> {
  const begins = await hashStoredFile(options.storage, rawPath(segment, options), hash, plainSize);
  if (begins !== plainDigest) throw conflict(segment, suffix);
}

/** Without a readable record a segment is archived anew, which gives it one. */
export async function lookUp(segment: string, inventory: WalInventory): Promise<WalRecord | undefined> {
  try {
    return await inventory.lookup(segment);
  } catch (error) {
    if (repositoryErrors.walIndexDamaged.is(error)) return undefined;
    throw error;
  }
}

/**
 * Suffixes under which the segment is stored without a record that holds: a run was cut off between making it visible
 * and recording it. Throws WAL_SEGMENT_CONFLICT when one of them can be read and has other content.
 */
export async function earlierForms(segment: string, options: EarlierFormsOptions): Promise<string[]> {
  const { storage, inventory, hash } = options;
  const layout = inventory.layout;
  const found: string[] = [];
  for (const suffix of archivedSuffixes) if ((await storage.stat(layout.walFile(segment + suffix))) !== undefined) found.push(suffix);
  if (found.length === 0) return found;
  const received = await hashStoredFile(storage, rawPath(segment, options), hash);
  for (const suffix of found) {
    const digest = await digestOf(layout.walFile(segment + suffix), options, undefined);
    if (digest !== undefined && digest !== received) throw conflict(segment, suffix);
  }
  return found;
}

/** Digest of the plain bytes, everything on the way checked; undefined when the file is damaged or its key is not known. */
async function digestOf(path: string, options: EarlierFormsOptions, record: WalRecord | undefined): Promise<string | undefined> {
  const { storage, keys, signal } = options;
  const source = await storage.openFile(path);
  const known = record === undefined ? {} : { chunks: record.chunks, headerSize: record.headerSize, expected: record };
  try {
    const hash = record?.hash ?? options.hash;
    const { plainDigest } = await readStoredFile({ source, keys, hash, concurrency: 2, signal, ...known }, () => Promise.resolve());
    return plainDigest;
  } catch (error) {
    if (signal.aborted || storageErrors.inputOutput.is(error)) throw error;
    return undefined;
  } finally {
    await source.close();
  }
}

const conflict = (segment: string, suffix: string): Error =>
  walErrors.segmentConflict(`segment ${segment} was received with other content than "${segment}${suffix}" has`, { segment, suffix });
