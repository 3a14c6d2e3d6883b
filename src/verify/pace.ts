/** A limit for the bytes that are read in a second. */
import type { Clock } from "../common/index.ts";
import type { RandomReader } from "../storage/index.ts";

export interface Pace {
  /** Waits until `bytes` more may be read. */
  wait(bytes: number): Promise<void>;
}

/** What was not used is not saved up beyond this: after a pause the disk is not overrun, milliseconds. */
const CREDIT_MS = 100;

/** @param rateBytes bytes a second; 0 is no limit */
export function createPace(rateBytes: number, clock: Clock, signal: AbortSignal): Pace | undefined {
  if (rateBytes === 0) return undefined;
  /** When the bytes that were asked for so far are due. */
  let due = clock.monotonic();
  return {
    async wait(bytes) {
      const now = clock.monotonic();
      due = Math.max(due, now - CREDIT_MS) + (bytes * 1000) / rateBytes;
      if (due > now) await clock.sleep(due - now, signal);
    },
  };
}

/** The reader, read no faster than the pace allows. */
export function paced(reader: RandomReader, pace: Pace | undefined): RandomReader {
  if (pace === undefined) return reader;
  return {
    size: reader.size,
    name: reader.name,
    async read(offset, length, into) {
      await pace.wait(Math.min(length, Math.max(0, reader.size - offset)));
      return reader.read(offset, length, into);
    },
    close: () => reader.close(),
  };
}
