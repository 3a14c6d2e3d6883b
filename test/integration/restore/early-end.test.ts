/** PostgreSQL takes what it cannot read for the end of the WAL, and opens: with rows lost, and without a word. */
import { readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { planRestore } from "../../../src/restore/index.ts";
import { insertMarkers, markersIn } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { createRig, dependencies, promoted, startOn, type Rig } from "./rig.ts";

const segmentSize = 1024 * 1024;

/** A server whose records reach from segment to segment, and a backup of it before them. */
async function createSource(): Promise<{ source: Cluster; rig: Rig; before: string }> {
  const source = await createCluster({ walSegmentSize: segmentSize, settings: { wal_keep_size: "200MB" } });
  const rig = await createRig(source);
  await insertMarkers(source, 1, 3);
  await rig.backup();
  const before = await source.value("SELECT pg_current_wal_lsn()");
  for (let round = 1; round < 6; round += 1) {
    await insertMarkers(source, round * 3 + 1, round * 3 + 3);
    await source.sql("SELECT pg_logical_emit_message(true, 'bulk', repeat('x', 900000))");
  }
  await rig.caughtUp();
  await rig.stopReceiver();
  return { source, rig, before };
}

const walDirectory = (rig: Rig): string => rig.storage.absolutePath("primary/wal");
const complete = (rig: Rig): string[] => readdirSync(walDirectory(rig)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0x04;
  writeFileSync(path, bytes);
}

describe("WAL that was damaged before it had a digest", () => {
  let rig: Rig;
  let before: string;

  beforeAll(async () => {
    const made = await createSource();
    ({ rig, before } = made);
    // In the rest of a record that began in the segment before.
    flip(join(walDirectory(rig), complete(rig).at(-3) ?? ""), 500_000);
    await rig.archive();
    await made.source.destroy();
  });

  it.each([false, true])("ends recovery instead of opening the server (copied: %s)", async (copyWal) => {
    const { plan } = await rig.restore({ copyWal });
    expect(plan.problems).toEqual([]);
    const cluster = await startOn(plan.directory, 15, { start: false, settings: { hot_standby: false } });
    const said = await cluster.startExpectingFailure();
    expect(said).toMatch(/incorrect resource manager data checksum in record/);
    expect(said).toMatch(/FATAL: {2}could not restore file "00000002\.history"/);
    if (!copyWal) expect(said).toMatch(/recovery ends before .* \(RECOVERY_ENDED_EARLY\)/);
    expect(said).not.toMatch(/selected new timeline|archive recovery complete/);
    await cluster.destroy();
  });

  it("does not matter to a position before it", async () => {
    const cluster = await startOn((await rig.restore({ position: `lsn=${before}` })).plan.directory);
    await promoted(cluster);
    expect(await markersIn(cluster)).toEqual([1, 2, 3]);
    await cluster.destroy();
  });
});

describe("the rest of a record in the segment at the end", () => {
  it("is looked at together with its beginning, which is archived", async () => {
    const { source, rig } = await createSource();
    await source.destroy();
    const last = complete(rig).at(-1) ?? "";
    renameSync(join(walDirectory(rig), last), join(walDirectory(rig), "away"));
    await rig.archive();
    renameSync(join(walDirectory(rig), "away"), join(walDirectory(rig), last));
    expect((await planRestore(rig.options(), dependencies())).problems).toEqual([]);
    flip(join(walDirectory(rig), last), 100_000);
    const { problems } = await planRestore(rig.options(), dependencies());
    expect(problems.join()).toMatch(/damaged at .*: the checksum of the record does not match/);
  });
});
