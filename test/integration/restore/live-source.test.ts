import { expect, it } from "vitest";
import { parseLsn, timelineId } from "../../../src/postgres/index.ts";
import { openWalCoverage } from "../../../src/repository/index.ts";
import { planRestore } from "../../../src/restore/index.ts";
import type { LocalStorage } from "../../../src/storage/index.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import { createRig, dependencies } from "./rig.ts";

it("takes what is received while it plans neither for lost WAL nor for a doubt about the moments before", async () => {
  const source = await createCluster({ walSegmentSize: 1024 * 1024 });
  const rig = await createRig(source);
  await source.sql("CREATE TABLE kept(i int)");
  await rig.backup();
  await source.sql("INSERT INTO kept VALUES (1)");
  const recordCoverage = async (): Promise<void> => {
    await rig.caughtUp();
    const lsn = parseLsn(await source.value("SELECT pg_current_wal_flush_lsn()"));
    const serverTime = Number(await source.value("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"));
    // As the receiver does every few seconds.
    await openWalCoverage(rig.storage, rig.server).write({ timeline: timelineId(1), lsn, serverTime });
  };
  const moment = await source.value("SELECT clock_timestamp()::timestamptz(3)::text");
  await recordCoverage();
  /** The end of the WAL is looked for by a sync: right after the first one the source writes on. */
  const writingOn = (): LocalStorage => {
    let written = false;
    return {
      ...rig.storage,
      async syncFile(path) {
        await rig.storage.syncFile(path);
        if (written) return;
        written = true;
        await source.sql("INSERT INTO kept VALUES (2)");
        await recordCoverage();
      },
    };
  };
  const problemsOf = async (position: string | null): Promise<readonly string[]> =>
    (await planRestore({ ...rig.options({ position }), storage: writingOn() }, dependencies())).problems;
  expect(await problemsOf(null)).toEqual([]);
  expect(await problemsOf(`time=${moment}`)).toEqual([]);
  await source.destroy();
});
