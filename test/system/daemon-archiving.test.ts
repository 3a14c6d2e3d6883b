/** Finished segments get their final form by a job that comes and goes, whatever happens to it. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { signalPid } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";
import { childrenTitled } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
beforeAll(async () => {
  cluster = await createCluster({ walSegmentSize: 1024 * 1024 });
  await cluster.sql("CREATE TABLE filler (n int, words text)");
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }], settings: { encryption: "aes" } });
  await daemon.waitUntilStreaming("primary");
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

/** Fills a segment, ends it, and returns its name. */
async function finishSegment(): Promise<string> {
  await cluster.sql("INSERT INTO filler SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 100) n");
  const name = await cluster.value("SELECT pg_walfile_name(pg_current_wal_lsn())");
  await cluster.sql("SELECT pg_switch_wal()");
  return name;
}

const walFiles = (): Promise<string[]> => readdir(join(daemon.baseDir, "primary", "wal"));

async function archived(...segments: readonly string[]): Promise<void> {
  await waitFor(
    "the segments have their final form, and only that",
    async () => {
      const files = await walFiles();
      return segments.every((segment) => files.includes(`${segment}.zstd.aes`) && !files.includes(segment));
    },
    { seen: () => daemon.log().slice(-2000) },
  );
}

describe("archiving", () => {
  it("follows the stream segment by segment with one job", async () => {
    const segments: string[] = [];
    for (let n = 0; n < 5; n += 1) segments.push(await finishSegment());
    await archived(...segments);
    expect(childrenTitled(daemon, "archive-wal primary")).toHaveLength(1);
  });

  it("goes on after its job was killed, and loses no segment over it", async () => {
    const first = await finishSegment();
    await archived(first);
    const [pid] = childrenTitled(daemon, "archive-wal primary");
    signalPid(pid ?? 0, "SIGKILL");
    const segments = [await finishSegment(), await finishSegment()];
    await archived(...segments);
    expect(daemon.log()).toContain("signal SIGKILL");
    expect(childrenTitled(daemon, "archive-wal primary").includes(pid ?? 0)).toBe(false);
  });

  it("does at the next start what was left undone when everything died", async () => {
    await daemon.kill9();
    const segment = await finishSegment();
    await daemon.start();
    await daemon.waitUntilStreaming("primary");
    await archived(segment);
    const left = (await walFiles()).filter((name) => !/^[0-9A-F]{24}(\.zstd\.aes|\.partial)$/.test(name));
    expect(left).toEqual([]);
  });
});
