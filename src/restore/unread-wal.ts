/** Bytes that the server was told are safe, in files that could not be synced: nobody may lose them without a word. */
import type { MonetaError } from "../common/index.ts";
import { descendsFrom, formatLsn } from "../postgres/index.ts";
import { asideCopies, type AsideCopy } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import { restoreErrors } from "./errors.ts";
import type { RecoveryPosition } from "./recovery-position.ts";
import type { Way } from "./way.ts";

export interface UnreadWal {
  /** Why this restore is not carried out. */
  readonly problems: readonly MonetaError[];
  readonly notes: readonly string[];
}

/**
 * What was acknowledged on this way beyond its reach. A restore to the end of the archive would leave it out without
 * having been told to; one that names a position or a timeline was.
 */
export async function findUnreadWal(storage: Storage, { inventory, history, reach }: Way, { target, timeline }: RecoveryPosition): Promise<UnreadWal> {
  const copies = await asideCopies(storage, inventory);
  const beyond = copies.filter((copy) => descendsFrom(history, copy.timeline, reach.end) && copy.end > reach.end);
  const refused = target.kind === "end" && timeline === undefined;
  const said = formatLsn(reach.end);
  const problem = ({ path, end }: AsideCopy): MonetaError =>
    restoreErrors.unreachable(
      `WAL was acknowledged up to ${formatLsn(end)}, but the disk failed to sync "${path}" and what can be used ends at ${said}: let the receiver get it again, or to restore what is there, name it: lsn=${said}`,
      { path },
    );
  return {
    problems: refused ? beyond.map(problem) : [],
    notes: beyond.map(({ path, end }) => `WAL up to ${formatLsn(end)} lies in "${path}", which the disk failed to sync: it is not part of this restore`),
  };
}
