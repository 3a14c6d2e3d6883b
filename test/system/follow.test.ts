/** A standby's server follows its primary's: it takes the WAL stream over at a failover, and hands it back. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers } from "../support/marker-table.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { signalPid } from "../support/processes.ts";
import { requires } from "../support/requires.ts";
import { waitFor } from "../support/wait-for.ts";
import { movingAddress, type MovingAddress } from "../integration/wal/moving-address.ts";
import { serverStatus } from "./daemon-observation.ts";

const segmentSize = 1024 * 1024;
let primary: Cluster;
let standby: Cluster;
let rebuilt: Cluster;
let address: MovingAddress;
let daemon: Daemon;

const positionOf = (text: string): bigint => {
  const [high = "", low = ""] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
};
const streamState = async (name: string): Promise<string> => (await serverStatus(daemon, name)).StreamState;
const problems = async (name: string): Promise<string[]> =>
  Object.values((await serverStatus(daemon, name))["Problems"] as Record<string, { Code: string }>).map(({ Code }) => Code);
const flushed = async (name: string): Promise<bigint> => {
  const server = await serverStatus(daemon, name);
  return (BigInt(Number(server["FlushedHiLSN"] ?? 0)) << 32n) + BigInt(Number(server["FlushedLoLSN"] ?? 0));
};
const becomes = (name: string, state: string): Promise<boolean> =>
  waitFor(`${name} is ${state}`, async () => (await streamState(name)) === state, { everyMs: 100, seen: () => daemon.log().slice(-3000) });
const slotOfStandby = async (): Promise<bigint> =>
  positionOf(await standby.value("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'moneta_replica'"));

/** Positions of the complete and unfinished segments that are stored of a server, lowest first. */
async function storedOf(name: string): Promise<{ readonly name: string; readonly start: bigint }[]> {
  const names = await readdir(join(daemon.baseDir, name, "wal")).catch(() => []);
  return names
    .filter((file) => /^[0-9A-F]{24}/.test(file))
    .sort()
    .map((file) => ({
      name: file,
      start: (BigInt(`0x${file.slice(8, 16)}`) << 32n) + BigInt(`0x${file.slice(16, 24)}`) * BigInt(segmentSize),
    }));
}

async function receivedBy(name: string, server: Cluster): Promise<void> {
  const end = positionOf(await server.value("SELECT pg_current_wal_flush_lsn()"));
  await waitFor(`${name} has all of it`, async () => (await flushed(name)) >= end, { everyMs: 50, seen: () => daemon.log().slice(-3000) });
}

/** The slot keeps the segment up to which the followed server is stored, and nothing before it. */
async function slotGoesAlong(): Promise<void> {
  const stored = await flushed("primary");
  const segment = stored - (stored % BigInt(segmentSize));
  await waitFor(
    "the slot is at the segment that is stored",
    async () => {
      const slot = await slotOfStandby();
      return slot >= segment && slot <= (await flushed("primary"));
    },
    { everyMs: 100, seen: () => daemon.log().slice(-3000) },
  );
}

const { it, describe } = requires("postgres-15");

beforeAll(async () => {
  primary = await createCluster({ walSegmentSize: segmentSize, settings: { wal_keep_size: "64MB" } });
  address = movingAddress(primary);
  standby = await primary.createStandby({ slot: "standby" });
  daemon = await createDaemon({
    servers: [
      { name: "primary", cluster: primary, host: address.connectionOptions.host, port: address.connectionOptions.port },
      { name: "replica", cluster: standby, settings: { follow: "primary" } },
      { name: "standby", cluster: standby },
    ],
    settings: { receiver_timeout: "3s", receiver_status_interval: "1s" },
  });
  await daemon.waitUntilStreaming("primary");
});
afterAll(async () => {
  await daemon?.destroy();
  await standby?.destroy();
  await primary?.destroy();
});

describe("a backup of a standby", () => {
  it("says that it waits for a restart point, as long as there is none, and is valid (A09)", async () => {
    await daemon.waitUntilStreaming("standby");
    await primary.sql("CHECKPOINT");
    const end = await primary.value("SELECT pg_current_wal_flush_lsn()");
    await waitFor("it is replayed", async () => (await standby.value(`SELECT pg_last_wal_replay_lsn() >= '${end}'`)) === "t");
    const checkpointer = Number(await standby.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"));
    signalPid(checkpointer, "SIGSTOP");
    try {
      const client = await daemon.startCli(["backup", "standby"], { format: "raw" });
      const seen = await waitFor("it says what it waits for", async () => {
        const { stdout } = await daemon.cli(["progress", "standby"], { format: "text" });
        return stdout.includes("waits for") && stdout;
      });
      expect(seen).toMatch(/^backup \(job \d+\): base backup, waits for a restart point of the standby$/m);
      signalPid(checkpointer, "SIGCONT");
      const { status, stdout } = await client.finished;
      expect([status, stdout]).toEqual([0, expect.stringMatching(/"Valid": ?1\b/)]);
    } finally {
      signalPid(checkpointer, "SIGCONT");
    }
  });
});

describe("a server with follow", () => {
  it("waits, and its slot goes along with what is stored of the followed one, and no further", async () => {
    await becomes("replica", "following");
    for (let round = 0; round < 3; round += 1) {
      await insertMarkers(primary, round * 5 + 1, round * 5 + 5, "x".repeat(2000));
      await primary.sql("SELECT pg_switch_wal()");
    }
    await insertMarkers(primary, 16, 20);
    await receivedBy("primary", primary);
    await slotGoesAlong();
    expect(await storedOf("replica")).toEqual([]);
    expect(await problems("replica")).toEqual([]);
    const refused = await daemon.cli(["backup", "replica"], { format: "raw" });
    expect(refused.status).toBe(6);
    expect(refused.stdout + refused.stderr).toContain("SERVER_FOLLOWS");
  });

  it("takes over at the failover with all that the followed one does not have", async () => {
    await waitFor("the standby has it all", async () => (await standby.value("SELECT count(*) FROM marker")) === "20");
    const before = await flushed("primary");
    await primary.kill9();
    await standby.promote();
    await insertMarkers(standby, 21, 30);
    await becomes("replica", "streaming");
    await receivedBy("replica", standby);
    const [first] = await storedOf("replica");
    expect(first?.start).toBeLessThanOrEqual(before);
    expect(await problems("replica")).toContain("WAL_TAKEN_OVER");
    expect(await serverStatus(daemon, "replica")).toMatchObject({ Gaps: 0 });
    // What it has goes on from what the other one has, to the last row, on the new timeline.
    expect((await storedOf("replica")).some(({ name }) => name.startsWith("00000002"))).toBe(true);
  });

  it("hands back when the followed one is there again and has caught up, and takes over once more without a gap", async () => {
    // Made anew of the server that is the primary now, at the address of the old one.
    rebuilt = await standby.createStandby({ slot: "rebuilt" });
    address.leadTo(rebuilt);
    await becomes("primary", "streaming");
    await becomes("replica", "following");
    expect(await problems("replica")).not.toContain("WAL_TAKEN_OVER");
    const end = await flushed("replica");
    expect(await flushed("primary")).toBeGreaterThanOrEqual(end);
    await insertMarkers(standby, 31, 35, "x".repeat(2000));
    await standby.sql("SELECT pg_switch_wal()");
    await insertMarkers(standby, 36, 40);
    await receivedBy("primary", standby);
    await slotGoesAlong();

    await rebuilt.stop("immediate");
    await becomes("replica", "streaming");
    await insertMarkers(standby, 41, 45);
    await receivedBy("replica", standby);
    expect(await serverStatus(daemon, "replica")).toMatchObject({ Gaps: 0 });
    expect(daemon.log()).not.toMatch(/replica.* is missing: /);
  });
});
