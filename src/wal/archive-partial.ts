/**
 * The last segment of a timeline into which nothing more will ever come, because its cluster is none of this server's any more:
 * it never becomes a complete one, and would lie there as it was received, in clear, for as long as a backup of that cluster is
 * kept. It gets its final form as what it is, `<segment>.partial` and the suffix of the pipeline; its record says how long it is.
 */
import { parseSegmentName, partialFileName } from "../postgres/index.ts";
import { endOfPartial, partialHoldsAll, type WalLocation, type WalRecord } from "../repository/index.ts";
import { recordOf, throughPipeline, type StoringOptions } from "./archive-segment.ts";

/** Undefined where there is nothing to do: it is stored as it was received, or holds no WAL. Throws what `archiveSegment` throws. */
export async function archivePartial(segment: string, options: StoringOptions): Promise<WalRecord | undefined> {
  const { inventory, pipeline, storage } = options;
  const { layout, segmentSize } = inventory;
  if (pipeline.suffix === "") return undefined;
  const name = partialFileName(segment);
  const path = layout.walFile(name);
  const size = (await storage.stat(path))?.size;
  if (size === undefined) return undefined;
  const location: WalLocation = { segment, form: "partial", path, suffix: ".partial", size };
  const taken = Number((await endOfPartial(storage, location, segmentSize)) - parseSegmentName(segment, segmentSize).start);
  if (taken === 0) return undefined;
  // What the server ended early is whole with the zeros behind it.
  const zeros = (await partialHoldsAll(storage, location, segmentSize)) ? segmentSize - taken : 0;
  const measures = await throughPipeline(path, name, { ...options, taken, zeros });
  const record = { ...recordOf(segment, measures, options), suffix: `.partial${pipeline.suffix}` };
  await inventory.record(record);
  await storage.removeFile(path);
  return record;
}
