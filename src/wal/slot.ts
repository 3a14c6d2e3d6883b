/** What the server must have before WAL can be received from it, the replication slot above all. */
import type { Logger } from "../log/index.ts";
import { versionTraits, type Lsn } from "../postgres/index.ts";
import {
  checkPrerequisites,
  createPhysicalSlot,
  dropSlot,
  readReplicationSlot,
  sqlStateOf,
  type Connection,
  type Prerequisite,
  type ServerFacts,
} from "../replication/index.ts";
import { walErrors } from "./errors.ts";

export interface SlotWanted {
  readonly slot: string;
  readonly createSlot: boolean;
}

export interface PreparedSlot {
  /** Where it keeps WAL from, if that is known. */
  readonly restartLsn: Lsn | undefined;
  /** False when the server removes WAL that was not received yet, whatever is streamed through the slot. */
  readonly keepsWal: boolean;
}

const withFix = ({ message, statement }: Prerequisite): string =>
  statement === undefined ? message : `${message}; to put it right: ${statement}`;

/** The same lack, however many bytes it is about by now. */
const lackOf = (one: Prerequisite): string => withFix(one).replaceAll(/[\d.]+ (bytes?|[kMGTP]?B)\b/g, "");

/** A stream works without these: they concern backups, or (a slot that lost its WAL) lead to a recorded gap. */
function isFatal({ code, severity }: Prerequisite, facts: ServerFacts): boolean {
  if (severity !== "error" || code === "TABLESPACES" || code === "MAX_WAL_SENDERS") return false;
  return code !== "SLOT" || facts.slot.walStatus !== "lost";
}

/**
 * Throws WAL_PREREQUISITE_MISSING with the statement that fixes it when streaming cannot work. What only works less
 * well is returned, and logged when it was not `said` before: a reconnect is no news.
 */
export function refuseWithoutPrerequisites(
  facts: ServerFacts,
  wanted: SlotWanted,
  said: Set<string>,
  logger: Logger,
): readonly Prerequisite[] {
  const missing = checkPrerequisites(facts, wanted).filter(({ ok }) => !ok);
  for (const one of missing) {
    const { code, statement } = one;
    if (isFatal(one, facts)) throw walErrors.prerequisite(withFix(one), { code, ...(statement === undefined ? {} : { statement }) });
  }
  for (const one of missing) {
    if (!said.has(lackOf(one))) logger.warn(withFix(one), { code: one.code });
  }
  said.clear();
  for (const one of missing) said.add(lackOf(one));
  return missing;
}

/**
 * Creates the slot when it is missing and that is wanted, and replaces one that lost its WAL: from PostgreSQL 16 on
 * such a slot never keeps WAL again, whatever is reported through it.
 */
export async function prepareSlot(
  connection: Connection,
  facts: ServerFacts,
  { slot, createSlot }: SlotWanted,
  logger: Logger,
  signal: AbortSignal,
): Promise<PreparedSlot> {
  const lost = facts.slot.walStatus === "lost";
  const asItIs = { restartLsn: facts.slot.restartLsn, keepsWal: !lost || versionTraits(facts.serverVersion).lostSlotRecovers };
  if (!createSlot || (facts.slot.exists === true && !lost)) return asItIs;
  if (lost) await dropSlot(connection, slot, signal);
  if ((await createPhysicalSlot(connection, slot, signal)) === "exists") return asItIs;
  logger.info(`created the replication slot "${slot}"${lost ? " anew: it had lost its WAL" : ""}`, { slot });
  return { restartLsn: await reservedFrom(connection, facts, slot, signal), keepsWal: true };
}

/**
 * Where a slot that was just made keeps WAL from, on a standby: at its last restart point, which is where its backups
 * begin until it comes to the next one, however long that takes. A primary begins a backup with a checkpoint of its own.
 */
async function reservedFrom(connection: Connection, facts: ServerFacts, slot: string, signal: AbortSignal): Promise<Lsn | undefined> {
  if (facts.inRecovery !== true || !versionTraits(facts.serverVersion).readReplicationSlot) return undefined;
  return (await readReplicationSlot(connection, slot, signal))?.restartLsn;
}

/** The server does not stream through a slot that lost its WAL (PostgreSQL 18 and later) or is not there any more. */
export function explainSlotRefusal(error: unknown, facts: ServerFacts, wanted: SlotWanted): unknown {
  const state = sqlStateOf(error);
  if (state !== "55000" && state !== "42704") return error;
  const now = { ...facts, slot: state === "42704" ? { name: wanted.slot, exists: false } : { ...facts.slot, walStatus: "lost" } };
  const reason = checkPrerequisites(now, { ...wanted, createSlot: false }).find(({ code, ok }) => code === "SLOT" && !ok);
  return reason === undefined ? error : walErrors.prerequisite(withFix(reason), { code: "SLOT" }, error);
}
