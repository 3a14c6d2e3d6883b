/**
 * An archive of a backup, as a procedure: plan the restore that it holds, begin the file under another name, give every
 * member through tar, compression and encryption in one pass, make it durable, give it its name. There is no copy of the
 * cluster in between, and whatever fails leaves nothing.
 */
import { mkdir, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  createOutputFile,
  describeShortage,
  isOutOfRoom,
  messageOf,
  MonetaError,
  refuseExisting,
  throwIfAborted,
  type OutputFile,
} from "../common/index.ts";
import { createPipeline, suffixOf } from "../pipeline/index.ts";
import type { ArchiveDependencies, ArchivedCluster, ArchiveOptions, ArchiveResult } from "./archive-options.ts";
import { archiveErrors } from "./errors.ts";
import { createTarSink } from "./tar-sink.ts";

/**
 * Makes the archive; what one of the same backup left there that was killed goes before. Throws TARGET_EXISTS, the errors
 * of this folder, and what the cluster throws.
 */
export async function archive(options: ArchiveOptions, deps: ArchiveDependencies): Promise<ArchiveResult> {
  const { directory, server, spec } = options;
  const { logger } = deps;
  const cluster = await deps.openCluster();
  const { label } = cluster;
  const file = join(directory, `archive-${server}-${label}.tar${suffixOf(spec)}`);
  await attempting("look at", file, () => refuseExisting(file));
  const made = await attempting("make the directory", directory, () =>
    mkdir(directory, { recursive: true, mode: 0o700 }),
  );
  logger.info(`archive of backup ${label} of "${server}" begins`, { label, file });
  let output: OutputFile | undefined;
  try {
    const own = await attempting("create", file, () => createOutputFile(file));
    output = own;
    for (const path of own.abandoned) logger.warn(`the remains of an archive that was not finished were removed: "${path}"`, { server, path });
    const written = await writeArchive(options, deps, cluster, own);
    throwIfAborted(deps.signal);
    await attempting("write", file, () => own.publish());
    logger.info(`backup ${label} of "${server}" is archived`, { file, bytes: written.bytes, size: written.size });
    return { file, label, ...written };
  } catch (error) {
    await giveUp(output, { directory, made }, deps);
    throw error;
  }
}

async function writeArchive(
  { dataKey, memoryBytes, owner, spec, workers }: ArchiveOptions,
  { progress, signal }: ArchiveDependencies,
  cluster: ArchivedCluster,
  output: OutputFile,
): Promise<{ files: number; bytes: number; size: number }> {
  const pipeline = await createPipeline({ spec, dataKey, hash: "sha256", memoryBytes, concurrency: workers });
  const bytesTotal = cluster.bytes;
  let bytesDone = 0;
  progress({ bytesDone, bytesTotal });
  try {
    const stored = pipeline.openFile({
      write: (piece) => attempting("write", output.path, () => output.write(piece), piece.length),
      close: async () => undefined,
      abort: async () => undefined,
    });
    const put = async (bytes: Uint8Array): Promise<void> => {
      throwIfAborted(signal);
      // After a failure pieces are dropped, and the end of the file says why.
      if (pipeline.signal.aborted) await stored.finish();
      await stored.write(bytes);
    };
    const sink = createTarSink(put, owner, cluster.endTime);
    const sums = await cluster.write(sink, (bytes) => {
      bytesDone += bytes;
      progress({ bytesDone, bytesTotal: Math.max(bytesDone, bytesTotal) });
    });
    await sink.finish();
    const { storedSize } = await stored.finish();
    return { ...sums, size: storedSize };
  } finally {
    await pipeline.close();
  }
}

/** The reason for giving up is what the operator must see, not what went wrong while cleaning up. */
async function giveUp(
  output: OutputFile | undefined,
  { directory, made }: { readonly directory: string; readonly made: string | undefined },
  { logger }: ArchiveDependencies,
): Promise<void> {
  try {
    await output?.discard();
    // The deepest first, up to the first one that was made.
    for (let path = directory; made !== undefined && path.startsWith(made); path = dirname(path)) await rmdir(path);
  } catch (error) {
    logger.warn(`what the archive that was given up had begun could not be removed: ${messageOf(error)}`);
  }
}

/** Runs one step on `path`; `what` completes "could not …", `needed` are the bytes that it writes. Errors of the catalogue pass. */
async function attempting<T>(what: string, path: string, step: () => Promise<T>, needed?: number): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof MonetaError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (isOutOfRoom(error)) {
      const { text, details } = describeShortage(error, path, needed);
      throw archiveErrors.noSpace(`no space to ${what} "${path}"${text}`, { path, ...details }, error);
    }
    throw archiveErrors.failed(`could not ${what} "${path}": ${code ?? message}`, { path }, error);
  }
}
