/** A limit for the bytes that are read in a second. */
import { throwIfAborted, type Clock } from "../common/index.ts";
import type { RandomReader, Storage } from "../storage/index.ts";

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

/** The storage, of which all open files together are read no faster than the pace allows, and none after the signal. */
export function paced(storage: Storage, pace: Pace | undefined, signal: AbortSignal): Storage {
  const follow = (reader: RandomReader): RandomReader => ({
    size: reader.size,
    name: reader.name,
    async read(offset, length, into) {
      throwIfAborted(signal);
      await pace?.wait(Math.min(length, Math.max(0, reader.size - offset)));
      return reader.read(offset, length, into);
    },
    close: () => reader.close(),
  });
  return { ...storage, openFile: async (path) => follow(await storage.openFile(path)) };
}
