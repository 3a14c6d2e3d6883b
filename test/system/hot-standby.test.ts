/** hot_standby by the daemon: copies are fresh when `backup` answers, catch up by themselves, and never touch each other. */
import { existsSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { signalPid } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled, serverStatus } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;

beforeAll(async () => {
  cluster = await createCluster({ walSegmentSize: 1024 * 1024 });
  await cluster.sql("CREATE TABLE filler AS SELECT n, repeat(md5(n::text), 20) AS words FROM generate_series(1, 20000) n");
  const settings = { hot_standby: "$COPIES" };
  daemon = await createDaemon({
    servers: [
      { name: "one", cluster },
      { name: "two", cluster, settings },
    ],
    settings: { encryption: "aes" },
    start: false,
  });
  // The path is known only now.
  const text = await readFile(daemon.configFile, "utf8");
  await writeFile(daemon.configFile, text.replace("$COPIES", join(daemon.root, "copies")));
  await daemon.start();
  for (const server of ["one", "two"]) await daemon.waitUntilStreaming(server);
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

const copyOf = (server: string): string => join(daemon.root, "copies", server);
const sealed = (server: string): boolean => existsSync(join(copyOf(server), "global", "pg_control"));
const stateOf = (server: string) =>
  JSON.parse(readFileSync(join(copyOf(server), "moneta_standby.json"), "utf8")) as { readonly label: string; readonly complete: boolean };
const newestOf = async (server: string): Promise<string> => String((await ask(daemon, "info", server, "newest"))["Backup"]);

async function problems(server: string): Promise<string[]> {
  const found = (await serverStatus(daemon, server))["Problems"] as Readonly<Record<string, { readonly Code: string }>>;
  return Object.values(found).map(({ Code }) => Code);
}

async function rowsIn(server: string): Promise<number> {
  const copy = await runOnDirectory({ major: cluster.major, dataDir: copyOf(server) });
  await waitFor("recovery is over", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f", { seen: () => copy.log().slice(-2000) });
  const rows = Number(await copy.value("SELECT count(*) FROM filler"));
  await copy.stop();
  await copy.destroy();
  return rows;
}

describe("copies of the newest backup", () => {
  it("are there when the backup is, and for the servers that want them alone", async () => {
    for (const server of ["one", "two"]) await ask(daemon, "backup", server);
    expect(stateOf("two")).toMatchObject({ complete: true, label: await newestOf("two") });
    expect(existsSync(copyOf("one"))).toBe(false);
    expect(Number((await serverStatus(daemon, "two"))["HotStandbySize"])).toBeGreaterThan(20 * 1024 * 1024);
    expect(await rowsIn("two")).toBe(20_000);
  });

  it("are made by themselves where a daemon before did not, and are not made again where they are there", async () => {
    await daemon.stop();
    const text = await readFile(daemon.configFile, "utf8");
    await writeFile(daemon.configFile, text.replace("[one]\n", `[one]\nhot_standby = ${join(daemon.root, "copies")}\n`));
    const before = readFileSync(join(copyOf("two"), "moneta_standby.json"), "utf8");
    await daemon.start();
    for (const server of ["one", "two"]) await daemon.waitUntilStreaming(server);
    await waitFor("the copy of one is there", () => sealed("one") && stateOf("one").complete, { seen: () => daemon.log().slice(-2000) });
    await waitFor("the size of both is known", async () => {
      const sizes = await Promise.all(["one", "two"].map(async (server) => Number((await serverStatus(daemon, server))["HotStandbySize"])));
      return sizes.every((size) => size > 0);
    });
    expect(stateOf("one").label).toBe(await newestOf("one"));
    expect(readFileSync(join(copyOf("two"), "moneta_standby.json"), "utf8")).toBe(before);
  });

  it("are left alone while a server runs on them: the backup is taken, the answer says so, status alarms until it has ended", async () => {
    const running = await runOnDirectory({ major: cluster.major, dataDir: copyOf("one") });
    const other = stateOf("two").label;
    await cluster.sql("INSERT INTO filler SELECT n, '' FROM generate_series(1, 10) n");
    const taken = await ask(daemon, "backup", "one");
    expect(JSON.stringify(taken["Warnings"])).toMatch(/the hot standbys of one are not up to date: a PostgreSQL server runs on the hot standby/);
    expect(await problems("one")).toEqual(["HOT_STANDBY_IN_USE"]);
    expect(await problems("two")).toEqual([]);
    expect(await running.value("SELECT count(*) FROM filler")).toBe("20000");
    expect(stateOf("two").label).toBe(other);
    await running.stop();
    await running.destroy();
    await waitFor("the copy catches up by itself", async () => stateOf("one").complete && stateOf("one").label === taken["Backup"], { seen: () => daemon.log().slice(-2000) });
    await waitFor("status is content", async () => (await problems("one")).length === 0);
    expect(await rowsIn("one")).toBe(20_010);
  });

  it("are repaired by themselves after their job was killed, wherever it was", async () => {
    await cluster.sql("UPDATE filler SET words = words || 'x'");
    const before = stateOf("two").label;
    const backup = await daemon.startCli(["backup", "two"]);
    const killed = await waitFor(
      "the job is killed",
      () => {
        const now = stateOf("two");
        if (now.complete && now.label !== before) return "after its end";
        const [pid] = childrenTitled(daemon, "hot-standby two");
        if (pid === undefined) return false;
        // It runs between two looks only, so that hardly anything is missed.
        signalPid(pid, "SIGSTOP");
        if (!stateOf("two").complete && signalPid(pid, "SIGKILL")) return "in the middle";
        signalPid(pid, "SIGCONT");
        return false;
      },
      { everyMs: 2, seen: () => daemon.log().slice(-2000) },
    );
    console.log(`the job was killed ${killed}`);
    await backup.finished;
    const newest = await newestOf("two");
    await waitFor("the copy is repaired", () => stateOf("two").complete && stateOf("two").label === newest && sealed("two"), { seen: () => daemon.log().slice(-3000) });
    expect(await rowsIn("two")).toBe(20_010);
  });
});
