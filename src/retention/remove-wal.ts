/**
 * Removes WAL that nobody needs: first it is written down that it goes, then the files go, oldest first, and of an earlier
 * cluster that has no backup any more everything. Stopped at any point, the next run finds the rest and goes on.
 */
import { throwIfAborted } from "../common/index.ts";
import { lsn } from "../postgres/index.ts";
import { openWalInventory, type WalRange } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import type { WalSurvey } from "./wal-survey.ts";

export interface WalRemoval {
  readonly files: number;
  readonly bytes: number;
}

/** `onFile` is called for each file that is gone, with its size. */
export async function removeWal(
  storage: Storage,
  survey: WalSurvey,
  signal: AbortSignal,
  onFile: (bytes: number) => void,
): Promise<WalRemoval> {
  if (survey.segmentSize === 0) return { files: 0, bytes: 0 };
  const { layout } = survey;
  const inventory = openWalInventory(storage, layout, survey.segmentSize);
  throwIfAborted(signal);
  if (survey.ranges.length > 0) await inventory.pruned.add(survey.ranges);
  let files = 0;
  let bytes = 0;
  for (const { name, size } of survey.files) {
    throwIfAborted(signal);
    if (!(await storage.removeFile(layout.walFile(name)))) continue;
    files += 1;
    bytes += size;
    onFile(size);
  }
  // After the files: a segment without its record would claim less than it can prove.
  for (const path of await deadIndexFiles(storage, survey, await inventory.pruned.list()))
    await storage.removeFile(path);
  // After its WAL: a timeline whose history is missing could be what happened after any backup.
  for (const timeline of survey.histories) {
    const path = await inventory.histories.find(timeline);
    if (path !== undefined) await storage.removeFile(path);
  }
  if (survey.abandoned && survey.staying.length === 0) await storage.removeTree(layout.place);
  return { files, bytes };
}

/** Parts of the index that describe nothing any more: each is about segments that share their first 16 digits. */
async function deadIndexFiles(
  storage: Storage,
  { layout, staying }: WalSurvey,
  pruned: readonly WalRange[],
): Promise<string[]> {
  const living = new Set(staying.map((name) => name.slice(0, 16)));
  const dead: string[] = [];
  for await (const { name } of storage.entries(layout.walIndex)) {
    const [, timeline = "", high = ""] = /^([0-9A-F]{8})([0-9A-F]{8})\.jsonl$/.exec(name) ?? [];
    if (timeline === "" || living.has(timeline + high)) continue;
    const from = lsn(BigInt(`0x${high}00000000`));
    const to = lsn(from + 0xffff_ffffn);
    const touched = pruned.some(
      (range) => range.timeline === Number.parseInt(timeline, 16) && range.from <= to && range.to > from,
    );
    if (touched) dead.push(layout.walIndexFile(timeline + high));
  }
  return dead;
}
