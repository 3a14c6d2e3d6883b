import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect } from "vitest";
import {
  formatHistory,
  formatLsn,
  historyFileName,
  parseControlFile,
  parseHistory,
  parseLsn,
  segmentTimeline,
  timelineBegin,
  timelineContaining,
  timelineId,
} from "../../../src/postgres/index.ts";
import type { TimelineHistory } from "../../../src/postgres/index.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { testOnMajors } from "../../support/requires.ts";
import { waitFor } from "../../support/wait-for.ts";

const clusters: Cluster[] = [];
afterEach(async () => {
  for (const cluster of clusters.splice(0).reverse()) await cluster.destroy();
});

const historyOf = async (cluster: Cluster, timeline: number): Promise<{ text: string; history: TimelineHistory }> => {
  const text = await readFile(join(cluster.dataDir, "pg_wal", historyFileName(timelineId(timeline))), "utf8");
  return { text, history: parseHistory(text, timelineId(timeline)) };
};

testOnMajors(
  [13, 15, 18],
  "the histories of servers of PostgreSQL %s that were promoted twice are read and written to the byte",
  async (major) => {
    const primary = await createCluster({ major });
    clusters.push(primary);
    await primary.sql("CREATE TABLE t AS SELECT 1 AS i");
    const first = await primary.createStandby();
    const caughtUp = async (standby: Cluster, source: Cluster): Promise<void> => {
      const position = await source.value("SELECT pg_current_wal_flush_lsn()");
      await waitFor(
        "the standby has replayed all",
        async () => (await standby.value(`SELECT pg_last_wal_replay_lsn() >= '${position}'`)) === "t",
      );
    };
    await caughtUp(first, primary);
    await first.promote();
    await first.sql("INSERT INTO t VALUES (2)");
    const second = await first.createStandby();
    await caughtUp(second, first);
    await second.promote();
    await second.sql("INSERT INTO t VALUES (3); CHECKPOINT");

    const older = await historyOf(first, 2);
    const { text, history } = await historyOf(second, 3);
    expect(history.entries.map((entry) => entry.timeline)).toEqual([1, 2]);
    expect(history.entries[0]).toEqual(older.history.entries[0]);
    for (const one of [older, { text, history }]) expect(formatHistory(one.history)).toBe(one.text);
    const begin = timelineBegin(history, timelineId(3));
    if (begin === undefined) throw new Error("timeline 3 has no begin");
    const current = parseLsn(await second.value("SELECT pg_current_wal_insert_lsn()"));
    expect(begin < current).toBe(true);
    expect(timelineContaining(history, current)).toBe(3);

    // The server names its own segment of the fork as we do: by the youngest timeline in it.
    const { segmentSize, timeline, redoLsn } = parseControlFile(
      await readFile(join(second.dataDir, "global/pg_control")),
    );
    expect(timeline).toBe(3);
    expect(segmentTimeline(history, begin, segmentSize)).toBe(3);
    expect(timelineContaining(history, redoLsn)).toBe(3);
    expect(formatLsn(begin)).toBe(/2\t(\S+)/.exec(text)?.[1]);
  },
);
