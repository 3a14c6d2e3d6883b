/** Backups as the catalog gives them out, for tests of what stays and what goes. */
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { labelOf, type BackupInfo, type CatalogEntry, type OwnFacts } from "../../../src/repository/index.ts";
import { sample } from "../repository/sample-backup.ts";

export const segmentSize = 16 * 1024 * 1024;
export const dayMs = 86_400_000;

export interface Wish {
  /** When it began, milliseconds since 1970. It takes a minute. */
  readonly at: number;
  readonly label?: string;
  readonly state?: CatalogEntry["state"];
  readonly keep?: boolean;
  readonly parent?: string;
  readonly systemIdentifier?: string;
  readonly timeline?: number;
  /** Number of the segment where it begins; default: one a minute since 2026. */
  readonly segment?: number;
  readonly major?: number;
  /** By pgmoneta, which records less. */
  readonly foreign?: boolean;
}

const epoch = Date.UTC(2026, 0, 1);

/** An entry of the catalog. */
export function entry(wish: Wish): CatalogEntry {
  const { at, state = "valid", keep = false, parent, systemIdentifier = "7412345678901234567", timeline = 1 } = wish;
  const label = wish.label ?? labelOf(at);
  if (state === "damaged") return { label, state, problem: "its backup.info was changed" };
  const first = BigInt(wish.segment ?? Math.max(1, Math.floor((at - epoch) / 60_000)));
  const facts: Partial<BackupInfo> = {
    label,
    keep,
    valid: state === "valid",
    startTimeline: timelineId(timeline),
    endTimeline: timelineId(timeline),
    startLsn: lsn(first * BigInt(segmentSize) + 40n),
    endLsn: lsn(first * BigInt(segmentSize) + 400n),
    majorVersion: wish.major ?? 15,
    ...(parent === undefined ? {} : { parent, type: "incremental" as const }),
  };
  const own: Partial<OwnFacts> = { systemIdentifier, startTime: at, endTime: at + 60_000 };
  const info = sample(facts, own);
  return { label, state, info: wish.foreign === true ? { ...info, own: undefined } : info };
}
