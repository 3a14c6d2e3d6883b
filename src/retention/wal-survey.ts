/** What lies in the WAL directory and may go: read from the names, then from the age of what no backup needs. */
import { lsn, parseSegmentName, type Lsn, type TimelineHistory, type TimelineId } from "../postgres/index.ts";
import {
  identityOfStoredWal,
  isWithin,
  openServerIdentity,
  openWalCoverage,
  openWalInventory,
  repositoryErrors,
  joinRanges,
  unsyncedSuffix,
  walFileFromName,
  withoutRanges,
  type BackupInfo,
  type ServerLayout,
  type WalInventory,
  type WalRange,
} from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import { unneededWal, type WalInUse } from "./wal-plan.ts";

/** A file of the WAL directory that belongs to a segment: in one of its forms, set aside, or PostgreSQL's own note. */
export interface SurveyedFile {
  readonly name: string;
  readonly timeline: TimelineId;
  readonly start: Lsn;
  /** Bytes. */
  readonly size: number;
}

export interface WalSurvey {
  /** Where it lies: of the present cluster, or of an earlier one. */
  readonly layout: ServerLayout;
  /** Nothing of the lineage is of any use. */
  readonly abandoned: boolean;
  /** Bytes of a segment; 0 where no WAL is stored. */
  readonly segmentSize: number;
  /** What is going to be called pruned. */
  readonly ranges: readonly WalRange[];
  /** What is going to be removed, by timeline and position. */
  readonly files: readonly SurveyedFile[];
  /** Names of segment files that stay. */
  readonly staying: readonly string[];
  /** Timelines whose history file is going to be removed. */
  readonly histories: readonly TimelineId[];
}

export interface SurveyRequest {
  readonly storage: Storage;
  /** Of the lineage that is looked at. */
  readonly layout: ServerLayout;
  /** No backup of the lineage is there any more, nor one of which it is not known whose it is. */
  readonly abandoned: boolean;
  /** Every backup that stays and can be read. */
  readonly kept: readonly BackupInfo[];
  /** Those of them from which any later moment shall be restored. */
  readonly recovery: readonly BackupInfo[];
  /** Those of pgmoneta's among them that are needed beside ours of this cluster. */
  readonly foreignBeside: (systemIdentifier: string) => readonly BackupInfo[];
  /** What jobs need that run now. */
  readonly inUse: readonly WalInUse[];
  /** The timeline that the server is on, where somebody knows it; else the one of which the newest moment is proven. */
  readonly timeline?: TimelineId | undefined;
  /** WAL of a cluster that came after this moment stays, needed or not; milliseconds since 1970. */
  readonly youngerThan: (systemIdentifier: string) => number;
}

/** Of WAL that is not looked at, or not there. */
export const nothingSurveyed = (layout: ServerLayout): WalSurvey => ({ layout, abandoned: false, segmentSize: 0, ranges: [], files: [], staying: [], histories: [] });

/** Looks, and changes nothing. */
export async function surveyWal(request: SurveyRequest): Promise<WalSurvey> {
  const { storage, layout } = request;
  const identity = (await openServerIdentity(storage, layout).read()) ?? (await identityOfStoredWal(storage, layout));
  if (identity === undefined) return nothingSurveyed(layout);
  const { segmentSize, systemIdentifier } = identity;
  const inventory = openWalInventory(storage, layout, segmentSize);
  const names = await namesIn(storage, layout, segmentSize);
  const histories = await readHistories(inventory);
  const live = layout.lineage === undefined ? (request.timeline ?? (await openWalCoverage(storage, layout).read())?.timeline) : undefined;
  // Positions mean nothing from one cluster to another; pgmoneta does not record whose its backups are.
  const kept = request.kept.filter(({ own }) => own === undefined || own.systemIdentifier === systemIdentifier);
  // pgmoneta does not record whose backup it is: without one of ours all WAL is kept for it, else what the policy asks for.
  const ours = request.recovery.filter(({ own }) => own?.systemIdentifier === systemIdentifier);
  const foreign = ours.length > 0 ? request.foreignBeside(systemIdentifier) : request.recovery.filter(({ own }) => own === undefined);
  const recovery = [...ours, ...foreign];
  const certain = ours.length > 0 ? ours : foreign;
  const pruned = await inventory.pruned.list();
  const stored = extents([...names.map(({ timeline, start }) => rangeFrom(timeline, start, segmentSize)), ...pruned]);
  const inUse = layout.lineage === undefined ? request.inUse : [];
  const unneeded = request.abandoned ? joinRanges(stored) : unneededWal({ kept, recovery, certain, inUse, stored, histories, live, segmentSize });

  const { files, ranges } = await chooseFiles(names, unneeded, inventory, {
    storage,
    youngerThan: request.youngerThan(systemIdentifier),
  });
  const going = new Set(files.map(({ name }) => name));
  const staying = names.map(({ name }) => name).filter((name) => !going.has(name));
  const dead = deadHistories(histories, staying, { kept, recovery: certain }, live, ranges);
  return { layout, abandoned: request.abandoned, segmentSize, ranges, files, staying, histories: dead };
}

type Named = Omit<SurveyedFile, "size">;

const rangeFrom = (timeline: TimelineId, start: Lsn, segmentSize: number): WalRange => ({
  timeline,
  from: start,
  to: lsn(start + BigInt(segmentSize)),
});

const besides = new RegExp(`^[0-9A-F]{24}\\.(?:partial\\.(?:pushed(?:\\.[a-z0-9]+){0,2}|${unsyncedSuffix}(?:-[0-9]+)?)|[0-9A-F]{8}\\.backup)$`);

/** By timeline and position. Strangers are left alone, and so is what is being written under another name. */
async function namesIn(storage: Storage, { wal }: ServerLayout, segmentSize: number): Promise<Named[]> {
  const found: Named[] = [];
  for await (const { name, kind } of storage.entries(wal)) {
    const segment =
      kind === "directory"
        ? undefined
        : (walFileFromName(name)?.segment ?? (besides.test(name) ? name.slice(0, 24) : undefined));
    if (segment === undefined) continue;
    const { timeline, start } = parseSegmentName(segment, segmentSize);
    found.push({ name, timeline, start });
  }
  return found.sort(
    (a, b) => a.timeline - b.timeline || (a.start < b.start ? -1 : a.start > b.start ? 1 : a.name < b.name ? -1 : 1),
  );
}

/** From the lowest to the highest position of each timeline. */
function extents(ranges: readonly WalRange[]): WalRange[] {
  const found = new Map<TimelineId, WalRange>();
  for (const range of ranges) {
    const known = found.get(range.timeline) ?? range;
    const from = range.from < known.from ? range.from : known.from;
    found.set(range.timeline, { timeline: range.timeline, from, to: range.to > known.to ? range.to : known.to });
  }
  return [...found.values()];
}

async function readHistories({ histories }: WalInventory): Promise<Map<TimelineId, TimelineHistory>> {
  const read = new Map<TimelineId, TimelineHistory>();
  for (const timeline of await histories.list()) {
    try {
      const history = await histories.read(timeline);
      if (history !== undefined) read.set(timeline, history);
    } catch (error) {
      // As if it were not there: then its WAL stays.
      if (!repositoryErrors.historyUnreadable.is(error)) throw error;
    }
  }
  return read;
}

/** From the first file on that is too young everything of its range stays, so that what is pruned has no holes. */
async function chooseFiles(
  names: readonly Named[],
  unneeded: readonly WalRange[],
  inventory: WalInventory,
  { storage, youngerThan }: { readonly storage: Storage; readonly youngerThan: number },
): Promise<{ readonly files: SurveyedFile[]; readonly ranges: WalRange[] }> {
  const { layout, segmentSize } = inventory;
  let ranges = [...unneeded];
  const files: SurveyedFile[] = [];
  for (const named of names) {
    const { name, timeline, start } = named;
    const range = ranges.find((one) => isWithin(rangeFrom(timeline, start, segmentSize), [one]));
    if (range === undefined) continue;
    const facts = await storage.stat(layout.walFile(name));
    if (facts?.kind !== "file") continue;
    if (facts.mtimeMs > youngerThan) {
      const rest = { timeline, from: start, to: range.to };
      ranges = ranges.flatMap((one) => withoutRanges(one, [rest]));
      continue;
    }
    // What has not got its final form is the archiver's, who has it in hand perhaps; of an earlier cluster he has nothing.
    const archived = layout.lineage !== undefined || (await isRecorded(inventory, name));
    if (walFileFromName(name)?.form === "raw" && !archived) continue;
    files.push({ ...named, size: facts.size });
  }
  return {
    files: files.filter(({ timeline, start }) => isWithin(rangeFrom(timeline, start, segmentSize), ranges)),
    ranges,
  };
}

async function isRecorded(inventory: WalInventory, segment: string): Promise<boolean> {
  try {
    return (await inventory.lookup(segment)) !== undefined;
  } catch (error) {
    if (repositoryErrors.walIndexDamaged.is(error)) return false;
    throw error;
  }
}

/** Histories of timelines that are gone, and that no other one which matters descends from. */
function deadHistories(
  histories: ReadonlyMap<TimelineId, TimelineHistory>,
  staying: readonly string[],
  { kept, recovery }: Pick<SurveyRequest, "kept" | "recovery">,
  live: TimelineId | undefined,
  ranges: readonly WalRange[],
): TimelineId[] {
  const matters = (timeline: TimelineId): boolean =>
    timeline === live ||
    staying.some((name) => Number.parseInt(name.slice(0, 8), 16) === timeline) ||
    kept.some((info) => info.startTimeline <= timeline && timeline <= info.endTimeline);
  const ancestors = new Set(
    [...histories.values()]
      .filter(({ timeline }) => matters(timeline))
      .flatMap(({ entries }) => entries.map(({ timeline }) => timeline)),
  );
  const newest = Math.max(0, ...recovery.map(({ endTimeline }) => endTimeline));
  return [...histories.keys()].filter(
    (timeline) =>
      timeline < newest &&
      !matters(timeline) &&
      !ancestors.has(timeline) &&
      ranges.some((range) => range.timeline === timeline),
  );
}
