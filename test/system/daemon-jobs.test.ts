/** Jobs as operators see them: in line, side by side, cancelled, killed, found again. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type CliResult, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { isAlive, signalPid, type RunningProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled, serverStatus, type ServerStatus } from "./daemon-observation.ts";

let clusters: Cluster[];
let daemon: Daemon;
/** A backup of `slow` takes many minutes; one of `fast` a moment. */
const slowRate = 65_536;

beforeAll(async () => {
  clusters = await Promise.all([createCluster(), createCluster({ ownIdentity: true })]);
  const [slow, fast] = clusters as [Cluster, Cluster];
  daemon = await createDaemon({
    servers: [
      { name: "slow", cluster: slow, settings: { max_rate: slowRate } },
      { name: "fast", cluster: fast },
    ],
  });
  await daemon.waitUntilStreaming("slow");
  await daemon.waitUntilStreaming("fast");
});
afterAll(async () => {
  await daemon.destroy();
  await Promise.all(clusters.map((cluster) => cluster.destroy()));
});
afterEach(async () => {
  if (daemon.pid() === undefined) await daemon.start();
  for (const job of await jobsOf("slow")) await daemon.cli(["cancel", "slow", String(job["Job"])]);
});

async function jobsOf(server: string): Promise<ServerStatus["Jobs"]> {
  // An empty list travels as an empty object.
  const jobs = (await serverStatus(daemon, server)).Jobs;
  return "length" in jobs ? jobs : [];
}

async function startBackup(server: string): Promise<RunningProcess> {
  const before = (await jobsOf(server)).length;
  const client = await daemon.startCli(["backup", server]);
  await waitFor(`a backup of ${server} is in line`, async () => (await jobsOf(server)).length > before, {
    seen: () => daemon.log().slice(-1500),
  });
  return client;
}

const bytesArrive = (server: string): Promise<unknown> =>
  waitFor(`bytes of ${server} arrive`, async () => Number((await jobsOf(server))[0]?.["Done"] ?? 0) > 0, {
    seen: () => daemon.log().slice(-1500),
  });

async function backupDirectories(server: string): Promise<string[]> {
  return readdir(join(daemon.baseDir, server, "backup")).catch(() => []);
}

async function outcomeOf(
  client: RunningProcess,
): Promise<{ readonly status: number | null; readonly outcome: Readonly<Record<string, unknown>> }> {
  const { status, stdout } = await client.finished;
  return { status, outcome: (JSON.parse(stdout) as NonNullable<CliResult["json"]>).Outcome };
}

describe("a job", () => {
  it("waits in line behind another of the same server, says for whom, and does not hold up another server", async () => {
    const first = await startBackup("slow");
    await bytesArrive("slow");
    const second = await startBackup("slow");
    const [running, waiting] = await jobsOf("slow");
    expect(running).toMatchObject({ State: "running", Command: "backup", ProgressState: 1 });
    expect(waiting).toMatchObject({ State: "waiting", Reason: `waits for job ${String(running?.["Job"])} (backup)` });
    expect(await ask(daemon, "backup", "fast")).toMatchObject({ Server: "fast", Valid: 1 });

    // Cancelled while it waits: it never ran, and the running one goes on.
    expect(await ask(daemon, "cancel", "slow", String(waiting?.["Job"]))).toMatchObject({
      Cancelled: [{ Command: "backup" }],
    });
    expect((await outcomeOf(second)).outcome).toMatchObject({ Status: false, Code: "JOB_NOT_BEGUN" });
    expect(await jobsOf("slow")).toHaveLength(1);

    const third = await startBackup("slow");
    await ask(daemon, "cancel", "slow");
    expect((await outcomeOf(first)).outcome).toMatchObject({ Status: false, Code: "JOB_CANCELLED" });
    await waitFor("the third one runs", async () => (await jobsOf("slow"))[0]?.["State"] === "running");
    await ask(daemon, "cancel", "slow");
    expect((await outcomeOf(third)).status).not.toBe(0);
    await waitFor("nothing of them is left", async () => (await backupDirectories("slow")).length === 0);
  });

  it("that is killed is reported as such, frees its lock, leaves nothing, and the next one succeeds", async () => {
    const client = await startBackup("slow");
    await bytesArrive("slow");
    const [pid] = childrenTitled(daemon, "backup slow");
    signalPid(pid ?? 0, "SIGKILL");
    const { status, outcome } = await outcomeOf(client);
    expect(status).not.toBe(0);
    expect(outcome).toMatchObject({
      Status: false,
      Code: "JOB_DIED",
      Message: expect.stringContaining("SIGKILL") as string,
    });
    await waitFor(
      "its remains are removed and named",
      async () =>
        (await backupDirectories("slow")).length === 0 && /remains of an unfinished backup/.test(daemon.log()),
    );
    expect(await ask(daemon, "list-backup", "slow")).toMatchObject({ NumberOfBackups: 0 });
    expect(await ask(daemon, "progress", "slow", "backup")).toMatchObject({
      Job: null,
      Last: { State: "died", Code: "JOB_DIED" },
    });
    await startBackup("slow");
    await bytesArrive("slow");
  });

  it("outlives the client that asked for it, and progress finds it again", async () => {
    const client = await startBackup("slow");
    await bytesArrive("slow");
    client.kill("SIGKILL");
    await client.finished;
    const seen = await ask(daemon, "progress", "slow", "backup");
    expect(seen).toMatchObject({ Command: "backup", State: "running", ProgressState: 1 });
    await waitFor(
      "it goes on",
      async () => Number((await ask(daemon, "progress", "slow", "backup"))["Done"]) > Number(seen["Done"]),
    );
    await ask(daemon, "cancel", "slow");
    expect(await ask(daemon, "progress", "slow", "backup")).toMatchObject({ Job: null, Last: { State: "cancelled" } });
  });

  it("appears in list-backup and info when it has succeeded, and is gone from them when it is deleted", async () => {
    const backup = await ask(daemon, "backup", "fast");
    const label = String(backup["Backup"]);
    const before = Number((await ask(daemon, "list-backup", "fast"))["NumberOfBackups"]);
    expect(await ask(daemon, "info", "fast", "newest")).toMatchObject({ Backup: label, Valid: 1, MajorVersion: 15 });
    expect(await serverStatus(daemon, "fast")).toMatchObject({ NumberOfBackups: before });
    expect(await ask(daemon, "delete", "fast", label)).toMatchObject({ Backup: label });
    expect(await ask(daemon, "list-backup", "fast")).toMatchObject({ NumberOfBackups: before - 1 });
    expect((await backupDirectories("fast")).filter((name) => name.includes(label))).toEqual([]);
    expect((await daemon.cli(["info", "fast", label])).json?.Outcome).toMatchObject({ Status: false, Error: 2200 });
  });

  it("is cancelled by the first signal to stop, which leaves nothing of it", async () => {
    const client = await startBackup("slow");
    await bytesArrive("slow");
    const children = daemon.children();
    expect(await daemon.stop()).toBe(0);
    expect((await outcomeOf(client)).outcome).toMatchObject({ Status: false, Code: "JOB_CANCELLED" });
    expect(children.filter(isAlive)).toEqual([]);
    expect(await backupDirectories("slow")).toEqual([]);
    await daemon.start();
    await daemon.waitUntilStreaming("slow");
  });

  it("is ended at once by the second signal, and the next start removes what is left of it", async () => {
    const client = await startBackup("slow");
    await bytesArrive("slow");
    const children = daemon.children();
    // A job that does not listen: only force ends it before its grace is over.
    const [pid] = childrenTitled(daemon, "backup slow");
    signalPid(pid ?? 0, "SIGSTOP");
    const stops = (): number => daemon.log().split("stopping: signal SIGTERM").length;
    const before = stops();
    daemon.signal("SIGTERM");
    await waitFor("it is stopping", () => stops() > before);
    expect(await daemon.stop()).toBe(1);
    expect((await client.finished).status).not.toBe(0);
    expect(children.filter(isAlive)).toEqual([]);
    await daemon.start();
    await waitFor("the remains are removed", async () => (await backupDirectories("slow")).length === 0);
    await daemon.waitUntilStreaming("slow");
  });

  it("that takes a backup gets the rate that the configuration has now (K05)", async () => {
    const client = await startBackup("slow");
    await bytesArrive("slow");
    const before = daemon.log().length;
    await ask(daemon, "conf", "set", "server.slow.max_rate", String(slowRate * 2));
    await waitFor("it has the new one", () => daemon.log().slice(before).includes(`the backup goes on with at most ${slowRate * 2} bytes a second`), { seen: () => daemon.log().slice(-1500) });
    await ask(daemon, "conf", "set", "server.slow.max_rate", "0");
    // At the rates before it would take minutes.
    const { status, outcome } = await outcomeOf(client);
    expect([status, outcome["Status"]]).toEqual([0, true]);
    expect(daemon.log().slice(before)).toContain("the backup goes on without a limit");
    await ask(daemon, "conf", "set", "server.slow.max_rate", String(slowRate));
  });
});
