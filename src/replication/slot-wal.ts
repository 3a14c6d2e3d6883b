/** How much WAL a slot makes its server keep, and what comes of it: told while there is still time to act. */
import { formatByteSize } from "../common/index.ts";
import { failed, passed, type Prerequisite } from "./prerequisite.ts";
import type { ServerFacts } from "./server-facts.ts";

const code = "SLOT_WAL";
const raise = "ALTER SYSTEM SET max_slot_wal_keep_size = '…'; SELECT pg_catalog.pg_reload_conf(); -- more than the slot keeps now, if the disk has room";
const limit = "ALTER SYSTEM SET max_slot_wal_keep_size = '…'; SELECT pg_catalog.pg_reload_conf(); -- the server then gives up the slot, not itself: there will be a gap";

/**
 * Manual, view pg_replication_slots: `extended` is WAL beyond max_wal_size that is still kept, `unreserved` WAL that the
 * next checkpoints may remove. With a limit it is told from half of it on, whatever max_wal_size is. A slot that has
 * lost its WAL is another matter (`SLOT`).
 */
export function checkSlotWal({ slot, xlogpos, maxSlotWalKeepSize = -1 }: ServerFacts): Prerequisite {
  const { name, walStatus, safeWalSize, restartLsn } = slot;
  const kept = restartLsn === undefined || xlogpos < restartLsn ? "" : ` ${formatByteSize(xlogpos - restartLsn)} of`;
  const keeps = `the server keeps${kept} WAL for replication slot "${name}"`;
  if (walStatus === "unreserved") {
    return failed(code, "warning", `${keeps}, more than max_slot_wal_keep_size: the next checkpoint may remove it, and there will be a gap`, raise);
  }
  const left = safeWalSize === undefined ? undefined : Math.max(0, safeWalSize);
  const more = left === undefined ? "" : `: after ${formatByteSize(left)} more it removes what was not received, and there will be a gap`;
  if (maxSlotWalKeepSize > 0 && left !== undefined && left < maxSlotWalKeepSize / 2) return failed(code, "warning", `${keeps}${more}`, raise);
  if (walStatus !== "extended") return passed(code, `${keeps}, no more than it would anyway`);
  if (left !== undefined) return failed(code, "warning", `${keeps}, more than max_wal_size${more}`, raise);
  return failed(code, "warning", `${keeps}, more than max_wal_size and without a limit: its disk may fill up`, limit);
}
