/** The clusters that a server was, remembered, so that status never touches the disk. */
import { messageOf } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { ProblemSummary } from "../management/index.ts";
import {
  formerLineages,
  openServerIdentity,
  openWalInventory,
  serverLayout,
  type CatalogEntry,
  type ServerLayout,
} from "../repository/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import { supervisorErrors } from "./errors.ts";
import type { ServerRecordWriter } from "./receivers.ts";
import type { StoredStretch, WalLedger } from "./wal-ledger.ts";

/** Of a server that was never reached. */
const defaultSegmentSize = 16 * 1024 * 1024;

export interface FormerLineage {
  readonly stretches: readonly StoredStretch[];
  readonly segmentSize: number;
  /** Of its WAL as it is stored; 0 while nobody has measured it. */
  readonly bytes: number;
}

export interface Lineages {
  /** System identifier of the present cluster; undefined before the first WAL came. */
  readonly present: string | undefined;
  /** Of the present cluster, bytes; 0 before the first WAL came. */
  readonly segmentSize: number;
  /** By system identifier. */
  readonly former: ReadonlyMap<string, FormerLineage>;
}

/** A server as far as it concerns what is known of its WAL. */
export interface LineagesOwner {
  readonly name: string;
  lineages: Lineages;
  readonly wal: WalLedger;
  readonly record: ServerRecordWriter;
}

export const noLineages: Lineages = { present: undefined, segmentSize: 0, former: new Map() };

async function inventoryOf(storage: LocalStorage, layout: ServerLayout) {
  const segmentSize = (await openServerIdentity(storage, layout).read())?.segmentSize ?? defaultSegmentSize;
  return openWalInventory(storage, layout, segmentSize);
}

/** Reads what there is; to measure it every file is looked at. */
export async function readLineages(storage: LocalStorage, server: string, measured = true): Promise<Lineages> {
  const former = new Map<string, FormerLineage>();
  for (const id of await formerLineages(storage, server)) {
    const inventory = await inventoryOf(storage, serverLayout(server, id));
    const bytes = measured ? (await inventory.usage()).bytes : 0;
    former.set(id, { stretches: await inventory.stretches(), segmentSize: inventory.segmentSize, bytes });
  }
  const identity = await openServerIdentity(storage, server).read();
  return { present: identity?.systemIdentifier, segmentSize: identity?.segmentSize ?? 0, former };
}

/** The same for a server; what cannot be read is said, and nothing is remembered of it. */
export async function rememberLineages(server: LineagesOwner, storage: LocalStorage, logger: Logger): Promise<void> {
  try {
    server.lineages = await readLineages(storage, server.name);
  } catch (error) {
    logger.error(`which clusters ${server.name} was cannot be read: ${messageOf(error)}`);
  }
}

/** Bytes of the WAL of earlier clusters. */
export const formerBytes = ({ lineages }: Pick<LineagesOwner, "lineages">): number =>
  [...lineages.former.values()].reduce((sum, { bytes }) => sum + bytes, 0);

/** Everything that is known of the WAL that was just there is of another cluster; the receiver begins anew. */
export async function lookAnew(server: LineagesOwner, storage: LocalStorage, logger: Logger): Promise<void> {
  await rememberLineages(server, storage, logger);
  const inventory = await inventoryOf(storage, serverLayout(server.name));
  server.wal.load(await inventory.stretches());
  server.record.set({
    timeline: 0,
    writeLsn: 0n,
    flushLsn: 0n,
    serverEndLsn: 0n,
    coveredTime: 0,
    walSegmentSize: inventory.segmentSize,
    walBytes: (await inventory.usage()).bytes + formerBytes(server),
    gaps: (await inventory.openGaps()).length,
    error: "",
  });
}

/** Not thrown: what status says until the present cluster has a backup. */
export function lineageProblems({ lineages, name }: Pick<LineagesOwner, "lineages" | "name">, entries: readonly CatalogEntry[]): ProblemSummary[] {
  const { present, former } = lineages;
  if (present === undefined || former.size === 0) return [];
  if (entries.some(({ state, info }) => state === "valid" && info?.own?.systemIdentifier === present)) return [];
  const { code, hint } = supervisorErrors.lineageWithoutBackup.spec;
  return [{ code, message: `cluster ${present}, which ${name} is now, has no valid backup: only the one before can be restored`, hint }];
}
