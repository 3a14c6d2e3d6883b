import { afterEach, expect } from "vitest";
import { expectSameContents, logicalDigest } from "../../support/compare-clusters.ts";
import { insertMarkers, markersIn } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { testOnMajors } from "../../support/requires.ts";
import { checkIndexes, createRig, promoted, startOn } from "./rig.ts";

let source: Cluster | undefined;

afterEach(async () => {
  await source?.destroy();
});

/** The oldest and the newest; test/system/majors.test.ts has the built programs do the same on each. */
testOnMajors([13, 18], "restores PostgreSQL %s to a time, to a position and to the end", async (major) => {
  source = await createCluster({ major });
  const rig = await createRig(source);
  await source.sql("CREATE TABLE kept AS SELECT g, md5(g::text) FROM generate_series(1, 3000) g");
  await insertMarkers(source, 1, 3);
  await rig.backup({ compression: "lz4" });
  const [, five, six] = await insertMarkers(source, 4, 6);
  await source.sql("SELECT pg_switch_wal()");
  await insertMarkers(source, 7, 8);
  const end = await logicalDigest(source);
  await rig.caughtUp();
  await rig.archive({ compression: "gzip" });
  const expected: [string | null, number[]][] = [
    [`time=${five?.time ?? ""}`, [1, 2, 3, 4]],
    [`lsn=${six?.lsn ?? ""},inclusive=off`, [1, 2, 3, 4, 5]],
    [null, [1, 2, 3, 4, 5, 6, 7, 8]],
  ];
  for (const [position, rows] of expected) {
    const { plan } = await rig.restore({ position });
    const cluster = await startOn(plan.directory, major);
    await promoted(cluster);
    expect(await markersIn(cluster)).toEqual(rows);
    if (position === null) {
      await expectSameContents(end, cluster);
      await checkIndexes(cluster);
    }
    await cluster.destroy();
  }
});
