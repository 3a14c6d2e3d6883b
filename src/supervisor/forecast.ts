/** When a file system will be full if it goes on as it did: a pure function of what was seen. */

export interface RoomSample {
  /** Milliseconds on a clock that never goes back. */
  readonly at: number;
  /** What was free then: bytes, or inodes. */
  readonly free: number;
}

export interface Forecast {
  /** Milliseconds from now; 0 when nothing is free any more. */
  readonly fullInMs: number;
  /** What disappears in an hour, in the unit of the samples. */
  readonly perHour: number;
}

const minute = 60_000;
/**
 * What happened in the last minutes, and what goes on: the short window sees at once that WAL comes faster, the long
 * one knows the rate of a server that completes a segment now and then. The one that ends sooner counts.
 */
const windowsMs = [10 * minute, 120 * minute] as const;
/** Samples older than this are of no use any more. */
export const longestWindowMs = windowsMs[1];
/** What was watched for so long is believed for so many times as long: at most a day. */
const beliefFactor = 12;
const fewestSamples = 5;
/** More are thinned out: the work grows with their square. */
const mostSamples = 120;

/**
 * The rate is the median of the slopes between every two samples (Theil and Sen): a backup that was written or removed
 * meanwhile is one step, which no median follows unless it makes up a good part of the window. Undefined while there
 * is too little to go by, when nothing grows, and for a moment that is too far away to be believed.
 */
export function forecastFull(samples: readonly RoomSample[], now: number): Forecast | undefined {
  let soonest: Forecast | undefined;
  for (const length of windowsMs) {
    const forecast = inWindow(samples.filter(({ at }) => at >= now - length && at <= now), now);
    if (forecast !== undefined && (soonest === undefined || forecast.fullInMs < soonest.fullInMs)) soonest = forecast;
  }
  return soonest;
}

/** What disappears in an hour by the longer window, also when nothing fills up; undefined while there is too little to go by. */
export function usedPerHour(samples: readonly RoomSample[], now: number): number | undefined {
  const inTime = samples.filter(({ at }) => at >= now - longestWindowMs && at <= now);
  if (inTime.length < fewestSamples) return undefined;
  const slope = medianSlope(thinned(inTime));
  return Number.isNaN(slope) ? undefined : -slope * 60 * minute;
}

function inWindow(all: readonly RoomSample[], now: number): Forecast | undefined {
  const first = all[0];
  const last = all.at(-1);
  if (first === undefined || last === undefined || all.length < fewestSamples) return undefined;
  const rate = -medianSlope(thinned(all));
  if (!(rate > 0)) return undefined;
  const fullInMs = Math.max(0, last.free / rate - (now - last.at));
  return fullInMs > beliefFactor * (last.at - first.at) ? undefined : { fullInMs, perHour: rate * 60 * minute };
}

/** Evenly spread, the newest one among them. */
function thinned(samples: readonly RoomSample[]): readonly RoomSample[] {
  const stride = Math.ceil(samples.length / mostSamples);
  return samples.filter((_, index) => (samples.length - 1 - index) % stride === 0);
}

/** NaN where no two samples differ in time. */
function medianSlope(samples: readonly RoomSample[]): number {
  const slopes: number[] = [];
  for (const [index, from] of samples.entries()) {
    for (let next = index + 1; next < samples.length; next += 1) {
      const to = samples[next];
      if (to !== undefined && to.at > from.at) slopes.push((to.free - from.free) / (to.at - from.at));
    }
  }
  slopes.sort((a, b) => a - b);
  const middle = slopes.length / 2;
  const above = slopes[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? (above + (slopes[middle - 1] ?? Number.NaN)) / 2 : above;
}
