/**
 * Starting a program for each segment takes longer than delivering it. So one process stays and keeps the segments that
 * PostgreSQL will ask for next ready in the data directory, whole and checked; the shell moves them. It may be killed,
 * be late or be there twice: then a segment is not ready and is fetched when it is asked for, nothing else.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../common/index.ts";
import { lsnPlus, parseSegmentName, segmentName, segmentTimeline } from "../postgres/index.ts";
import type { WalSource } from "../repository/index.ts";
import { readAwaited } from "./awaited-segment.ts";
import { deliverSegment } from "./deliver-segment.ts";
import { restoreErrors } from "./errors.ts";
import { askedName, awaitedName, beatName, endName, prefetchDirectory } from "./own-names.ts";
import { beginBeat, isBeating } from "./prefetch-beat.ts";
import type { RecoveryPlan } from "./recovery-plan.ts";
import { notedSegment } from "./segment-note.ts";

const wholeName = /^[0-9A-F]{24}$/;
const largestPrefetch = 128 * 1024 * 1024;
const mostSegments = 8;
const atTheSameTime = 2;
const pauseMs = 20;
/** A server that takes nothing any more has stopped, or waits for something else. */
const idleMs = 60_000;

/** How many segments lie ready at most, besides one that a call waits for. */
function capacity({ segmentSize }: Pick<RecoveryPlan, "segmentSize">): number {
  return Math.max(1, Math.min(mostSegments, Math.floor(largestPrefetch / segmentSize)));
}

/** Whether all of the segment is planned: the last one may still be received, PostgreSQL shall get it as it is when it asks. */
export function canBeReady(name: string, { segmentSize, to }: Pick<RecoveryPlan, "segmentSize" | "to">): boolean {
  return lsnPlus(parseSegmentName(name, segmentSize).start, segmentSize) <= to;
}

/** Names of the segments after `name` that can be had ready now. */
export function segmentsAhead(name: string, { history, segmentSize, to }: RecoveryPlan): string[] {
  const count = capacity({ segmentSize });
  const names: string[] = [];
  let { start } = parseSegmentName(name, segmentSize);
  for (let number = 1; number <= count; number += 1) {
    start = lsnPlus(start, segmentSize);
    const next = segmentName(segmentTimeline(history, start, segmentSize), start, segmentSize);
    if (!canBeReady(next, { segmentSize, to })) break;
    names.push(next);
  }
  return names;
}

/**
 * Notes that `name` was asked for and was not ready. True when nobody keeps segments ready and somebody should.
 * Never rejects: recovery does not depend on it.
 */
export async function noteAsked(name: string, dataDirectory: string, plan: RecoveryPlan): Promise<boolean> {
  if (segmentsAhead(name, plan).length === 0) return false;
  const directory = join(dataDirectory, prefetchDirectory);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(join(directory, askedName), name, { mode: 0o600 });
    return !(await isBeating(directory));
  } catch {
    // No room, for example: then segments are fetched one by one.
    return false;
  }
}

export interface KeepReady {
  readonly source: WalSource;
  readonly plan: RecoveryPlan;
  readonly dataDirectory: string;
  /** Says whether this is still the recovery that the plan is of. */
  readonly stillWanted: () => Promise<boolean>;
  readonly clock: Clock;
}

/**
 * Keeps segments ready until the end of what is planned, nobody takes them any more, or another process has taken over.
 * Rejects when that is no longer possible, or with ABORTED when the signal of the source says so. Nobody needs to be told:
 * PostgreSQL will ask for that segment by its name, and then it is said.
 */
export async function keepReady({ source, plan, dataDirectory, stillWanted, clock }: KeepReady): Promise<void> {
  const directory = join(dataDirectory, prefetchDirectory);
  if (await isBeating(directory)) return;
  const beat = await beginBeat(directory, clock);
  try {
    await removeLeftovers();
    await follow();
  } finally {
    await beat.end();
  }

  /** Of processes that were killed. One that still writes to such a file ends by that: there is one too many. */
  async function removeLeftovers(): Promise<void> {
    const names = new Set(await readdir(directory));
    for (const name of names) {
      if (name.includes(".") && !names.has(notedSegment(name) ?? "")) await rm(join(directory, name), { force: true });
    }
  }

  async function follow(): Promise<void> {
    let asked = "";
    let last = "";
    let taken = clock.monotonic();
    let before = 0;
    while (await stillWanted()) {
      if (!(await beat.isOurs())) return;
      const names = new Set(await readdir(directory));
      const latest = (await readFile(join(directory, askedName), "utf8")).trim();
      // It is not written in one step: what is cut off is read again.
      if (latest !== asked && wholeName.test(latest)) {
        asked = latest;
        last = latest;
        taken = clock.monotonic();
        const useful = new Set([asked, ...segmentsAhead(asked, plan), askedName, awaitedName, beatName, endName]);
        for (const name of names) {
          const about = notedSegment(name) ?? name;
          if (useful.has(about) && names.has(about)) continue;
          await rm(join(directory, name), { force: true });
          names.delete(name);
        }
      }
      // After the names: whoever takes a segment has stopped waiting for it before.
      const awaited = await readAwaited(directory);
      if (awaited !== undefined && wholeName.test(awaited) && !names.has(awaited) && canBeReady(awaited, plan)) {
        await deliver(awaited);
        continue;
      }
      // What was asked for last goes to the call that waits for it. When that gave up, it lies there until another one is
      // asked for, and must not take the place of those that come next.
      const ready = [...names].filter((name) => wholeName.test(name) && name !== asked).length;
      if (ready < before) taken = clock.monotonic();
      before = ready;
      const ahead = last === "" ? [] : segmentsAhead(last, plan);
      if (last !== "" && ahead.length === 0 && ready === 0) return;
      const next = ahead.slice(0, Math.max(0, Math.min(atTheSameTime, capacity(plan) - ready)));
      if (next.length > 0) {
        await Promise.all(next.filter((name) => !names.has(name)).map((name) => deliver(name)));
        last = next.at(-1) ?? last;
        continue;
      }
      if (clock.monotonic() - taken > idleMs) return;
      await clock.sleep(pauseMs, source.signal);
    }
  }

  async function deliver(name: string): Promise<void> {
    // A name of its own while it is written: of two processes each completes its own file.
    const found = await deliverSegment(source, name, join(directory, name), plan, `${join(directory, name)}.${process.pid}`);
    if (!found) throw restoreErrors.walMissing(`WAL segment ${name} is not there`, { segment: name });
  }
}
