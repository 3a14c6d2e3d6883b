/**
 * The second copy of a server's WAL: what the repository has of it in its final form, in another directory with the same
 * tree. It is brought up to date beside everything else, in a process of its own, so that a place which fails or hangs
 * holds up neither the receiver nor the archiver; what it missed it gets when it is back.
 */
import { messageOf, MonetaError, throwIfAborted, type Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { parseSegmentName } from "../postgres/index.ts";
import { identityOfStoredWal, openServerIdentity, openWalInventory, serverLayout, type WalInventory } from "../repository/index.ts";
import { nameState, type Storage } from "../storage/index.ts";
import { copyHistories, copyKeys, copySegmentFile, type CopyAround } from "./copy-wal-file.ts";
import { walErrors } from "./errors.ts";
import { createNews } from "./news.ts";
import { claimSecondCopy } from "./second-copy-claim.ts";
import { pruneSecondCopy } from "./second-copy-prune.ts";

export interface SecondCopyOptions {
  readonly server: string;
  /** The repository. */
  readonly storage: Storage;
  /** `wal_shipping`. */
  readonly copy: Storage;
  /** Ends after so long without work, milliseconds. */
  readonly idleMs: number;
}

export interface SecondCopyDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Has `listener` called when there is more to copy, or less to keep; returns how to stop that. */
  readonly onNews: (listener: () => void) => () => void;
  /** A file is there, checked and durable. */
  readonly copied: (name: string, bytes: number) => void;
  /** Everything that the repository has is there. */
  readonly caughtUp: () => void;
}

export interface SecondCopyResult {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Brings the copy up to date and keeps it so until there has been nothing to do for a while. A file that is damaged in the
 * repository is not copied; the others are, and then WAL_SECOND_COPY_SOURCE is thrown. Throws WAL_SECOND_COPY_FAILED when
 * the directory is at fault, and what reading the repository throws.
 */
export async function runSecondCopy(options: SecondCopyOptions, deps: SecondCopyDependencies): Promise<SecondCopyResult> {
  const { server, storage, copy } = options;
  const { clock, signal } = deps;
  const identity = (await openServerIdentity(storage, server).read()) ?? (await identityOfStoredWal(storage, server));
  if (identity === undefined) return { files: 0, bytes: 0 };
  const inventory = openWalInventory(storage, server, identity.segmentSize);
  const copies = openWalInventory(copy, server, identity.segmentSize);
  const around: CopyAround = { server, storage, copy, inventory, copies, signal };
  const news = createNews(deps.onNews);
  let files = 0;
  let bytes = 0;
  try {
    await atDirectory(copy, claimSecondCopy(storage, copy, server, identity));
    await atDirectory(copy, removeUnfinished(copy, server));
    const there = await atDirectory(copy, namesIn(copy, server));
    for (;;) {
      news.reset();
      await refuseWithoutDirectory(copy, server);
      const failure = await bringUpToDate(around, there, (name, size) => {
        files += 1;
        bytes += size;
        deps.copied(name, size);
        deps.logger.debug(`${name} is in the second copy`, { name, bytes: size });
      });
      await atDirectory(copy, pruneSecondCopy(inventory, copy, there));
      if (failure !== undefined) throw failure;
      deps.caughtUp();
      if (!(await news.wait(options.idleMs, clock, signal))) return { files, bytes };
    }
  } finally {
    news.close();
  }
}

/** Copies what is not `there`, oldest first. Returns the first damage of the repository that kept a file from being copied. */
async function bringUpToDate(
  around: CopyAround,
  there: Set<string>,
  copied: (name: string, bytes: number) => void,
): Promise<MonetaError | undefined> {
  const { copy, inventory, signal } = around;
  await atDirectory(copy, copyKeys(around));
  await atDirectory(copy, copyHistories(around, copied));
  let failure: MonetaError | undefined;
  for (const { name, segment, suffix } of await wanted(inventory, there)) {
    throwIfAborted(signal);
    try {
      const bytes = await atDirectory(copy, copySegmentFile(around, segment, suffix));
      if (bytes === undefined) continue;
      there.add(name);
      copied(name, bytes);
    } catch (error) {
      if (!(error instanceof MonetaError) || !walErrors.secondCopySource.is(error)) throw error;
      failure ??= error;
    }
  }
  return failure;
}

interface Wanted {
  readonly name: string;
  readonly segment: string;
  readonly suffix: string;
}

/** Archived segments, and the last segment of each timeline that has ended: nothing more comes into it. */
async function wanted(inventory: WalInventory, there: ReadonlySet<string>): Promise<Wanted[]> {
  const found: Wanted[] = [];
  const partials: Wanted[] = [];
  let newest = 0;
  for await (const { segment, form, suffix } of inventory.files()) {
    newest = Math.max(newest, parseSegmentName(segment, inventory.segmentSize).timeline);
    const name = segment + suffix;
    if (form === "partial") partials.push({ name, segment, suffix });
    else if (!there.has(name) && (form === "archived" || (await isArchived(inventory, segment)))) found.push({ name, segment, suffix });
  }
  for (const partial of partials) {
    if (parseSegmentName(partial.segment, inventory.segmentSize).timeline < newest && !there.has(partial.name)) found.push(partial);
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** One that is stored as it was received is archived once it is recorded. */
async function isArchived(inventory: WalInventory, segment: string): Promise<boolean> {
  return (await inventory.find(segment))?.form === "archived";
}

async function namesIn(copy: Storage, server: string): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const { name } of copy.entries(serverLayout(server).wal)) names.add(name);
  return names;
}

/** Its disk can go at any moment, and what is made then would lie in the mount point. */
async function refuseWithoutDirectory(copy: Storage, server: string): Promise<void> {
  const { wal } = serverLayout(server);
  if ((await atDirectory(copy, copy.stat(wal)))?.kind === "directory") return;
  throw walErrors.secondCopyFailed(`the second copy of the WAL in "${copy.root}" is not there any more`, { directory: copy.root });
}

/** What a run that was cut off had not finished: nobody else writes there. */
async function removeUnfinished(copy: Storage, server: string): Promise<void> {
  const layout = serverLayout(server);
  for (const { name } of await copy.list(layout.wal)) {
    if (nameState(name).state !== "visible") await copy.removeFile(layout.walFile(name));
  }
}

/** Whatever fails there is one thing for the operator: the second copy is not what it should be. */
async function atDirectory<T>(copy: Storage, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof MonetaError && error.code.startsWith("STORAGE_")) {
      throw walErrors.secondCopyFailed(`the second copy of the WAL in "${copy.root}" is not up to date: ${messageOf(error)}`, { directory: copy.root }, error);
    }
    throw error;
  }
}
