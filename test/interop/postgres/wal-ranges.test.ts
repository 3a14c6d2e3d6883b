import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { parseLsn, rootHistory, segmentsOfRange, timelineId } from "../../../src/postgres/index.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import { run } from "../../support/processes.ts";
import { requires, tool } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const segmentSize = 1024 * 1024;

requires("postgres-15", "pg_waldump").it(
  "the segments that we name for a stretch of WAL are those that pg_waldump needs, no more and no fewer",
  async () => {
    const cluster = await createCluster({ walSegmentSize: segmentSize, settings: { wal_keep_size: "100MB" } });
    const position = () => cluster.value("SELECT pg_current_wal_insert_lsn()");
    await cluster.sql("CREATE TABLE t (i int, filler text)");
    const from = await position();
    await cluster.sql("INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 8000) AS i");
    const to = await position();
    await cluster.stop();
    const directory = temporaryDirectory({ prefix: "mwal", unprivileged: true });
    const segments = [...segmentsOfRange(rootHistory(timelineId(1)), parseLsn(from), parseLsn(to), segmentSize)];
    expect(segments.length).toBeGreaterThan(2);
    const copy = (name: string) => copyFile(join(cluster.dataDir, "pg_wal", name), join(directory.path, name));
    for (const { name } of segments) await copy(name);
    const judge = async () =>
      (await run(tool("pg_waldump"), ["-q", "-p", directory.path, "-s", from, "-e", to])).status;
    expect(await judge()).toBe(0);
    for (const { name } of segments) {
      await rm(join(directory.path, name));
      expect(await judge(), `without ${name}`).toBe(1);
      await copy(name);
    }
    await directory.remove();
    await cluster.destroy();
  },
);
