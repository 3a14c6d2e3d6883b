/** Stored WAL whose end the stream is not compared with, and a server that was reset to an older state and is past it again. */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { createDataKey } from "../../../src/encryption/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { parseHistory, timelineId } from "../../../src/postgres/index.ts";
import { runArchiver } from "../../../src/wal/index.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { position, receive, writeWal, type Receiving } from "./receiving.ts";

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.destroy();
  cluster = undefined;
});

/** As if the stream had been cut right after the last complete segment. */
async function endAtBoundary(receiving: Receiving): Promise<string[]> {
  await receiving.stop();
  for (const name of await receiving.names()) if (name.endsWith(".partial")) await rm(join(receiving.wal, name));
  return receiving.names();
}

async function archive(receiving: Receiving): Promise<void> {
  const key = createDataKey();
  await runArchiver(
    { server: "primary", storage: receiving.storage, spec: { compression: "zstd", encryption: "aes-256-gcm" }, keys: { currentId: async () => key.id, current: async () => key, ring: async () => (id) => (id === key.id ? key : undefined) }, hash: "sha512", workers: 1, idleMs: 1 },
    { clock: systemClock, logger: silentLogger, signal: new AbortController().signal, onSegment: () => () => undefined, archived: () => undefined },
  );
}

/** The state of the cluster as it is now, to be put back later. */
async function snapshot(of: Cluster): Promise<() => Promise<void>> {
  await of.stop("fast");
  const older = join(temporaryDirectory({ prefix: "msnap", unprivileged: true }).path, "data");
  await cp(of.dataDir, older, { recursive: true });
  await of.start();
  return async () => {
    await of.stop("fast");
    await rm(of.dataDir, { recursive: true });
    await cp(older, of.dataDir, { recursive: true });
    giveToUnprivileged(of.dataDir);
    await of.start();
  };
}

/** Stopped "fast" it writes its last checkpoint before the fork; "immediate" leaves the WAL as it is. */
async function promote(what: Cluster, stop: "fast" | "immediate"): Promise<void> {
  await what.stop(stop);
  const signal = join(what.dataDir, "standby.signal");
  await writeFile(signal, "");
  giveToUnprivileged(signal);
  await what.start();
  await what.sql("SELECT pg_promote()");
  await what.sql("CHECKPOINT");
}

it.each(["in a partial segment", "in a complete segment", "on the boundary of two segments"])("is compared up to a fork that lies %s: a server that was reset and then promoted is refused", async (fork) => {
  cluster = await createCluster({ walSegmentSize: 1024 * 1024, settings: { wal_keep_size: "200MB" } });
  const first = receive(cluster);
  await first.reached("streaming");
  await first.stop();
  await cluster.sql("SELECT pg_switch_wal()");
  await cluster.sql("CREATE TABLE in_both_lives (b text)");
  const goBack = await snapshot(cluster);

  const second = receive(cluster, { base: first.base });
  await cluster.sql(`INSERT INTO in_both_lives SELECT 'first ' || n FROM generate_series(1, ${fork === "in a partial segment" ? 5000 : 1}) n`);
  if (fork !== "in a partial segment") await writeWal(cluster, 2);
  await second.flushed(await position(cluster));
  await second.stop();
  const stored = await second.names();

  await goBack();
  await cluster.sql("INSERT INTO in_both_lives VALUES ('second')");
  const boundary = fork === "on the boundary of two segments";
  if (boundary) await cluster.sql("SELECT pg_switch_wal()");
  await promote(cluster, boundary ? "immediate" : "fast");
  const reset = receive(cluster, { base: first.base, refusedRetryMs: 300 });
  await reset.reached("refused", "WAL_DIVERGED");
  await reset.stop();
  expect(await reset.names()).toEqual([...stored, "00000002.history"].sort());
  const [left] = parseHistory(await readFile(join(reset.wal, "00000002.history"), "utf8"), timelineId(2)).entries;
  expect((left?.switchLsn ?? 1n) % (1024n * 1024n) === 0n).toBe(boundary);
});

it.each(["raw", "archived and encrypted"])("is compared by its last segment, %s: the same server goes on, the other one is refused", async (form) => {
  cluster = await createCluster({ walSegmentSize: 1024 * 1024, settings: { wal_keep_size: "200MB" } });
  const first = receive(cluster);
  await first.reached("streaming");
  await first.stop();
  await cluster.stop("fast");
  const older = join(temporaryDirectory({ prefix: "msnap", unprivileged: true }).path, "data");
  await cp(cluster.dataDir, older, { recursive: true });
  await cluster.start();

  const second = receive(cluster, { base: first.base });
  await writeWal(cluster, 2);
  await second.flushed(await position(cluster));
  await endAtBoundary(second);
  if (form !== "raw") await archive(second);
  const same = receive(cluster, { base: first.base });
  await same.reached("streaming");
  await writeWal(cluster, 1);
  await same.flushed(await position(cluster));
  const stored = await endAtBoundary(same);

  await cluster.stop("fast");
  await rm(cluster.dataDir, { recursive: true });
  await cp(older, cluster.dataDir, { recursive: true });
  giveToUnprivileged(cluster.dataDir);
  await cluster.start();
  await cluster.sql("CREATE TABLE only_in_the_second_life (b text)");
  await writeWal(cluster, 5);
  if (form !== "raw") await archive(same);
  const names = form === "raw" ? stored : await same.names();
  const reset = receive(cluster, { base: first.base, refusedRetryMs: 300 });
  await reset.reached("refused", "WAL_DIVERGED");
  await reset.reached("refused", "WAL_DIVERGED");
  await reset.stop();
  expect(await reset.names()).toEqual(names);
});
