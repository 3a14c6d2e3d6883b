import { beforeAll, expect, it } from "vitest";
import { formatLsn } from "../../../src/postgres/index.ts";
import { openWalInventory, type BackupInfo, type WalGap } from "../../../src/repository/index.ts";
import { planRestore, type RestoreOptions, type RestorePlan } from "../../../src/restore/index.ts";
import { insertMarkers, type Marker } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { waitFor } from "../../support/wait-for.ts";
import { createRig, dependencies, rowsOf, type Rig } from "./rig.ts";

/** Rows 1 to 2, a backup, rows 3 to 4, an outage in which the slot loses its WAL with row 5, row 6, a backup, row 7. */
const megabyte = 1024 * 1024;
let source: Cluster;
let rig: Rig;
let older: BackupInfo;
let newer: BackupInfo;
let gap: WalGap;
const markers: Marker[] = [];

const at = (n: number): Marker => markers.find((marker) => marker.n === n) ?? { n: 0, time: "", lsn: "", xid: "" };
const insert = async (first: number, last: number): Promise<void> => void markers.push(...(await insertMarkers(source, first, last)));
const plan = (position: string | null, more: Partial<RestoreOptions> = {}): Promise<RestorePlan> =>
  planRestore(rig.options({ position, ...more }), dependencies());

async function writeWal(): Promise<void> {
  await source.sql("CREATE TABLE IF NOT EXISTS filler (b text)");
  await source.sql("INSERT INTO filler SELECT repeat(md5(g::text), 30) FROM generate_series(1, 2000) g");
  await source.sql("SELECT pg_switch_wal()");
}

const rowsAt = (position: string | null, more: Partial<RestoreOptions> = {}): Promise<number[]> => rowsOf(rig, { position, ...more });

beforeAll(async () => {
  const settings = { max_slot_wal_keep_size: "2MB", min_wal_size: "2MB", wal_keep_size: 0, checkpoint_timeout: "1h" };
  source = await createCluster({ walSegmentSize: megabyte, settings });
  rig = await createRig(source);
  await insert(1, 2);
  older = await rig.backup();
  await insert(3, 4);
  await source.sql("SELECT pg_switch_wal()");
  await rig.caughtUp();
  await rig.stopReceiver();
  await writeWal();
  await insert(5, 5);
  await waitFor("the slot has lost its WAL", async () => {
    await writeWal();
    await source.sql("CHECKPOINT");
    return (await source.value("SELECT wal_status FROM pg_replication_slots")) === "lost";
  });
  rig = await createRig(source, { storage: rig.storage });
  const { gaps } = openWalInventory(rig.storage, "primary", megabyte);
  [gap] = (await waitFor("the gap is recorded", async () => {
    const found = await gaps.list();
    return found.length > 0 ? found : undefined;
  })) as [WalGap];
  await insert(6, 6);
  newer = await rig.backup();
  await insert(7, 7);
  await rig.caughtUp();
});

it("what lies before the gap can be restored from the backup before it", async () => {
  expect(await rowsAt(`xid=${at(4).xid}`)).toEqual([1, 2, 3, 4]);
  expect((await plan(`time=${at(4).time}`)).backup.label).toBe(older.label);
});

it("what lies behind it can be restored from the backup behind it, whichever was asked for", async () => {
  expect((await plan(`lsn=${at(7).lsn}`, { backup: "oldest" })).backup.label).toBe(newer.label);
  expect(await rowsAt(null, { backup: "newest" })).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

it.each<[string, () => string | null, string]>([
  ["the end of the archive from the backup before the gap", () => null, "older"],
  ["a position in it", () => `lsn=${at(5).lsn}`, "newest"],
  ["a moment in it", () => `time=${at(5).time}`, "newest"],
  ["a position behind it from the backup before it", () => `lsn=${at(7).lsn}`, "older"],
  ["a moment between it and the next backup", () => `time=${at(6).time}`, "newest"],
  ["a transaction in it", () => `xid=${at(5).xid}`, "newest"],
])("%s is refused, with both ends of the gap", async (_what, position, backup) => {
  const label = backup === "older" ? older.label : backup;
  const options = { backup: label, position: position() };
  const refused = await rig.restore(options).then(
    () => "it was not refused",
    (error: unknown) => String(error),
  );
  expect(refused).toContain(formatLsn(gap.from));
  expect(refused).toContain(formatLsn(gap.to));
});
