/**
 * The backup from which a transaction or a restore point can be reached. Where it lies, only the WAL tells: it is
 * searched from the newest backup on, then from the one before it, and so on. Where there is too much WAL for that,
 * a rule decides, and the plan says so.
 */
import { MonetaError } from "../common/index.ts";
import { formatLsn, lowerLsn, type Lsn } from "../postgres/index.ts";
import type { BackupInfo } from "../repository/index.ts";
import { choiceAfter, noneReaches, passing, type Approach } from "./approach.ts";
import { findEvent, type EventTarget } from "./check-target.ts";
import { restoreErrors } from "./errors.ts";
import { foreignBranch } from "./foreign-branch.ts";
import { describeReach } from "./wal-reach.ts";
import { scanLimit, scanSize } from "./wal-scan.ts";
import { findWay, type Way, type WayRequest } from "./way.ts";

/** `valid` are the backups that come into question, newest first. */
export async function chooseByEvent(valid: readonly BackupInfo[], target: EventTarget, request: WayRequest): Promise<Approach> {
  const what = target.kind === "xid" ? `transaction ${target.xid}` : `the restore point ${JSON.stringify(target.name)}`;
  const refusals: MonetaError[] = [];
  const ways: Way[] = [];
  let budget = request.options.searchBytes ?? scanLimit;
  let found: Lsn | undefined;
  let later: Way | undefined;
  for (const info of valid) {
    const way = await passing(() => findWay(info, request));
    if (way instanceof MonetaError) {
      refusals.push(way);
      continue;
    }
    const foreign = await foreignBranch(way, request.position);
    if (foreign !== undefined) {
      refusals.push(foreign);
      continue;
    }
    ways.push(way);
    if (way.reach.end < info.endLsn) continue;
    const searched = later?.history.timeline === way.history.timeline ? later.backup.info.startLsn : undefined;
    // Behind a hole nothing can be reached, so nothing is looked for.
    const range = { from: info.startLsn, to: lowerLsn(searched ?? way.reach.end, way.reach.end) };
    budget -= scanSize(range, way.inventory.segmentSize);
    if (budget < 0) continue;
    const event = await passing(() => findEvent(way, target, range.from, range.to));
    if (event instanceof MonetaError) {
      refusals.push(event);
      continue;
    }
    found = event ?? found;
    if (found !== undefined && found >= info.endLsn) return { ...way, checked: { target, notes: [] }, choice: choiceAfter(refusals) };
    const behind = way.reach.missing === undefined ? "" : ` (${describeReach(way.reach)})`;
    const where = found === undefined ? `is not in the WAL from backup ${info.label} on${behind}` : `lies at ${formatLsn(found)}, before the end of backup ${info.label}`;
    refusals.push(restoreErrors.unreachable(`${what} ${where}`));
    later = way;
  }
  const byRule = budget < 0 ? await chooseByRule(ways, target, what) : undefined;
  if (byRule !== undefined) return byRule;
  throw noneReaches(request.options.server, refusals);
}

/** A transaction that had no number yet cannot have ended before the backup; of a restore point nothing is known. */
async function chooseByRule(ways: readonly Way[], target: EventTarget, what: string): Promise<Approach | undefined> {
  const complete = ways.filter(({ reach, backup }) => reach.end >= backup.info.endLsn);
  const chosen = target.kind === "name" ? complete.at(-1) : complete.find((way) => notBefore(target.xid, way.backup.control.nextXid));
  if (chosen === undefined) return undefined;
  const rule = target.kind === "name" ? "the oldest backup" : "the newest backup that was begun before the transaction had its number";
  const note = `there is too much WAL to search it for ${what}: recovery ends with an error if it is not there`;
  return { ...chosen, checked: { target, notes: [note] }, choice: rule };
}

/** Transaction numbers go round: of two, the one that is less than half a round ahead is the later one. */
function notBefore(xid: bigint, next: bigint | null): boolean {
  if (next === null) return false;
  return BigInt.asUintN(32, xid - next) < 0x8000_0000n;
}
