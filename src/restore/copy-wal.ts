/** Copies the WAL that recovery needs into pg_wal: the restored server then needs no repository. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { historyFileName } from "../postgres/index.ts";
import { attempting } from "./attempt.ts";
import { deliverSegment } from "./deliver-segment.ts";
import { restoreErrors } from "./errors.ts";
import type { PreparedRestore } from "./prepare.ts";

/** Throws RESTORE_WAL_MISSING, RESTORE_WAL_DAMAGED and what reading a segment throws. */
export async function copyWal(prepared: PreparedRestore, signal: AbortSignal, written: (bytes: number) => void): Promise<void> {
  const { approach, paths, recovery, segments } = prepared;
  const directory = join(paths.data, "pg_wal");
  await attempting("make the directory", directory, () => mkdir(directory, { recursive: true, mode: 0o700 }));
  for (const [name, content] of await copiedHistories(prepared)) {
    const path = join(directory, name);
    await attempting("write", path, () => writeFile(path, content, { mode: 0o600 }));
  }
  for (const name of segments) {
    const path = join(directory, name);
    const found = await attempting("write", path, () => deliverSegment({ ...approach.wal, signal }, name, path, recovery));
    if (!found) throw restoreErrors.walMissing(`WAL segment ${name} is missing in the repository`, { segment: name });
    written(recovery.segmentSize);
  }
}

/**
 * The history files that go with the WAL, by their names. Also those of later timelines: PostgreSQL takes the first number
 * that it does not know for its new timeline.
 */
export async function copiedHistories({ approach }: PreparedRestore): Promise<[name: string, content: Buffer][]> {
  const { histories } = approach.inventory;
  const known = [...approach.history.entries, approach.history].map(({ timeline }) => timeline);
  const later = (await histories.list()).filter((timeline) => timeline > approach.history.timeline);
  const found: [string, Buffer][] = [];
  for (const timeline of new Set([...known, ...later])) {
    const content = await histories.content(timeline);
    if (content !== undefined) found.push([historyFileName(timeline), content]);
  }
  return found;
}
