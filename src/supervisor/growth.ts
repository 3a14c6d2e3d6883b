/** One file system over time: its samples, its forecasts, and the lines in the log that are worth reading. */
import { formatByteSize, formatDuration, type Room } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { forecastFull, longestWindowMs, usedPerHour, type Forecast, type RoomSample } from "./forecast.ts";

export interface Growth {
  /** Takes in what was found at `at` (monotonic milliseconds). */
  note(room: Room, at: number): void;
  /** What disappears of the free bytes in an hour; undefined while that is not known. */
  readonly bytesPerHour: number | undefined;
  /** Whether nothing fills up, or what was watched reaches back far enough to see whatever is full within a day; see `forecastFull`. */
  readonly forecasts: boolean;
  /** In how many milliseconds it is full, and that in a sentence; undefined while nothing points to it. */
  readonly outlook: { readonly fullInMs: number; readonly message: string } | undefined;
}

/** Said again after this, or when only half of the time is left. */
const repeatMs = 3_600_000;

interface Outlook {
  readonly fullInMs: number;
  readonly message: string;
}

export function createGrowth(path: string, logger: Logger): Growth {
  const bytes: RoomSample[] = [];
  const inodes: RoomSample[] = [];
  let outlook: Outlook | undefined;
  let bytesPerHour: number | undefined;
  let said: { readonly at: number; readonly fullInMs: number } | undefined;
  let began: number | undefined;
  let watchedMs = 0;
  /** Undefined while there is too little to go by. */
  let fillsUp: boolean | undefined;

  const keep = (samples: RoomSample[], sample: RoomSample): Forecast | undefined => {
    samples.push(sample);
    while ((samples[0]?.at ?? sample.at) < sample.at - longestWindowMs) samples.shift();
    return forecastFull(samples, sample.at);
  };

  const tell = (at: number): void => {
    if (outlook === undefined) {
      if (said !== undefined) logger.info(`the file system of "${path}" does not fill up any more`, { path });
      said = undefined;
      return;
    }
    const { fullInMs, message } = outlook;
    if (said !== undefined && at - said.at < repeatMs && fullInMs > said.fullInMs / 2) return;
    logger.warn(message, { path, fullInSeconds: Math.round(fullInMs / 1000) });
    said = { at, fullInMs };
  };

  return {
    note(room, at) {
      began ??= at;
      watchedMs = at - began;
      const ofBytes = keep(bytes, { at, free: room.free });
      // Some file systems make inodes as they need them and say so with zeros.
      const ofInodes = room.inodes === 0 ? undefined : keep(inodes, { at, free: room.freeInodes });
      const inodesFirst = ofInodes !== undefined && ofInodes.fullInMs < (ofBytes?.fullInMs ?? Infinity);
      if (inodesFirst) outlook = describeInodes(path, ofInodes, room);
      else outlook = ofBytes === undefined ? undefined : describeBytes(path, ofBytes, room);
      bytesPerHour = usedPerHour(bytes, at);
      fillsUp = bytesPerHour === undefined ? undefined : bytesPerHour > 0 || (usedPerHour(inodes, at) ?? 0) > 0;
      tell(at);
    },
    get bytesPerHour() {
      return bytesPerHour;
    },
    get forecasts() {
      return watchedMs >= longestWindowMs || fillsUp === false;
    },
    get outlook() {
      return outlook;
    },
  };
}

function describeBytes(path: string, { fullInMs, perHour }: Forecast, { free }: Room): Outlook {
  const figures = `${formatByteSize(perHour)} an hour, ${formatByteSize(free)} are free`;
  return { fullInMs, message: `the file system of "${path}" is full in ${formatDuration(fullInMs)} at the present rate (${figures})` };
}

function describeInodes(path: string, { fullInMs, perHour }: Forecast, { freeInodes }: Room): Outlook {
  const figures = `${Math.ceil(perHour)} an hour, ${freeInodes} are free`;
  return { fullInMs, message: `the file system of "${path}" has no inodes left in ${formatDuration(fullInMs)} at the present rate (${figures})` };
}
