/**
 * The file by which calls see that a process keeps segments ready. A timer touches it, because making one segment can take
 * longer than the file is believed. It names who wrote it last, and only that process goes on: one that was stopped
 * for a while finds that another has taken its place.
 */
import { randomBytes } from "node:crypto";
import { readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../common/index.ts";
import { beatName } from "./own-names.ts";

/** A beat is older than this only when its process has ended, or is too late to be of use. */
const silentMs = 10_000;
const everyMs = 1_000;

/** Whether a process keeps segments ready in `directory`. */
export async function isBeating(directory: string): Promise<boolean> {
  try {
    return Math.abs(Date.now() - (await stat(join(directory, beatName))).mtimeMs) < silentMs;
  } catch {
    // Nobody has begun.
    return false;
  }
}

export interface Beat {
  /** False when another process has begun since. Rejects when the directory is gone: recovery has ended. */
  isOurs(): Promise<boolean>;
  /** Ends it; what another process has there stays. Never rejects. */
  end(): Promise<void>;
}

/** Begins to beat in `directory`, whoever did before. Rejects when it cannot be written there. */
export async function beginBeat(directory: string, clock: Clock): Promise<Beat> {
  const path = join(directory, beatName);
  const own = `${process.pid} ${randomBytes(8).toString("hex")}\n`;
  await writeFile(path, own, { mode: 0o600 });
  const touch = (): void => {
    const now = new Date(clock.now());
    // Gone: whoever keeps segments ready sees that by itself.
    utimes(path, now, now).catch(() => undefined);
  };
  const timer = setInterval(touch, everyMs);
  const isOurs = async (): Promise<boolean> => (await readFile(path, "utf8")) === own;
  return {
    isOurs,
    async end() {
      clearInterval(timer);
      try {
        if (await isOurs()) await rm(path, { force: true });
      } catch {
        // The directory is gone, or the file: what is left is old in ten seconds.
      }
    },
  };
}
