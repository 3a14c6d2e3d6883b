/** A server that has less WAL than is stored here. */
import { formatLsn, type Lsn } from "../postgres/index.ts";
import type { ServerFacts, SystemIdentity } from "../replication/index.ts";
import { walErrors } from "./errors.ts";
import type { StartPoint } from "./start-point.ts";

export interface BehindMemory {
  /** Where the stored WAL ended when a server was seen that had lost part of it. */
  suspect: Lsn | undefined;
}

/**
 * Throws WAL_SERVER_BEHIND for a standby that has not caught up. A primary sends only what it has flushed, and keeps
 * it over crashes: one that has less than it sent was reset to an older state, and will write other WAL at the same
 * positions, so it is WAL_DIVERGED at once. It stays so when the server has passed the stored end meanwhile and no
 * bytes of a partial segment are there to compare.
 */
export function refuseServerBehind(found: StartPoint, identity: SystemIdentity, facts: ServerFacts, memory: BehindMemory): void {
  const { timeline, durable, start, existingEnd } = found;
  if (durable === undefined || timeline !== identity.timeline) return;
  const details = { timeline, serverEnd: formatLsn(identity.xlogpos), stored: formatLsn(durable) };
  if (identity.xlogpos >= durable) {
    if (memory.suspect !== durable || existingEnd > start) return;
    throw walErrors.diverged(
      `the server had lost WAL before ${details.stored} and has written on since: what it has there cannot be compared with what is stored`,
      details,
    );
  }
  const message = `the server's WAL of timeline ${timeline} ends at ${details.serverEnd}, before ${details.stored}, up to where it is stored here`;
  if (facts.inRecovery !== false) throw walErrors.serverBehind(message, details);
  memory.suspect = durable;
  throw walErrors.diverged(`${message}: the server was reset to an older state`, details);
}
