/** Whether there is room for what a restore writes, on each of the file systems that it writes to. */
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { roomAt, type MonetaError } from "../common/index.ts";
import { pathToBytes } from "../postgres/index.ts";
import { attempting } from "./attempt.ts";
import { restoreErrors } from "./errors.ts";

/** Bytes that shall be written below a directory, which need not be there yet, and those that are taken away there first. */
export interface RoomWanted {
  readonly path: string;
  readonly needed: number;
  readonly reusable: number;
}

export interface TargetRoom {
  /** Free bytes where the first of the directories is. */
  readonly free: number;
  readonly problems: readonly MonetaError[];
}

/** What does not exist yet is made by the restore: what counts is where. */
async function deviceOf(path: string): Promise<number> {
  try {
    return (await stat(pathToBytes(path))).dev;
  } catch (error) {
    if (!["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "") || path === dirname(path)) throw error;
    return deviceOf(dirname(path));
  }
}

export async function findRoom(wanted: readonly RoomWanted[]): Promise<TargetRoom> {
  const sums = new Map<number, { path: string; needed: number; reusable: number }>();
  for (const { path, needed, reusable } of wanted) {
    const device = await attempting("look at", path, () => deviceOf(path));
    const sum = sums.get(device) ?? { path, needed: 0, reusable: 0 };
    sums.set(device, { path: sum.path, needed: sum.needed + needed, reusable: sum.reusable + reusable });
  }
  const problems: MonetaError[] = [];
  let first: number | undefined;
  for (const { path, needed, reusable } of sums.values()) {
    const { free } = await attempting("ask for the free space of", path, () => roomAt(path));
    first ??= free;
    const missing = needed - free - reusable;
    if (missing <= 0) continue;
    const text = `the cluster needs ${needed} bytes, "${path}" has ${free}: ${missing} are missing`;
    problems.push(restoreErrors.noSpace(text, { path, needed, free, missing }));
  }
  return { free: first ?? 0, problems };
}
