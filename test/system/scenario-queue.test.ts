/**
 * A08: two backups of one server stand in line, and the second says for whom it waits; two servers are backed up side
 * by side; cancelling one job never hurts another. PostgreSQL's own pg_verifybackup judges what came out.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { runOrFail, type RunningProcess } from "../support/processes.ts";
import { requires, tool } from "../support/requires.ts";
import { createTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus, type ServerStatus } from "./daemon-observation.ts";

let clusters: readonly Cluster[];
let proxy: TcpProxy;
let daemon: Daemon;
beforeAll(async () => {
  clusters = await Promise.all([createCluster(), createCluster({ ownIdentity: true })]);
  const [first, second] = clusters as [Cluster, Cluster];
  proxy = await createTcpProxy({ host: "127.0.0.1", port: first.port });
  daemon = await createDaemon({
    // Slow enough to be seen while they run.
    settings: { compression: "none", max_rate: 8_000_000 },
    servers: [
      { name: "first", cluster: first },
      { name: "second", cluster: second },
      { name: "remote", cluster: first, host: proxy.host, port: proxy.port, settings: { max_rate: 0 } },
    ],
  });
  for (const name of ["first", "second", "remote"]) await daemon.waitUntilStreaming(name);
});
afterAll(async () => {
  await daemon.destroy();
  await proxy.close();
  for (const cluster of clusters) await cluster.destroy();
});

type Jobs = ServerStatus["Jobs"];
const jobsIn = (jobs: unknown): Jobs => (Array.isArray(jobs) ? (jobs as Jobs) : []);
const jobsOf = async (server: string): Promise<Jobs> => jobsIn((await serverStatus(daemon, server)).Jobs);

const startBackup = (server: string): Promise<RunningProcess> =>
  daemon.startCli(["backup", server], { format: "text" });

async function untilJobs(server: string, states: readonly string[]): Promise<Jobs> {
  return waitFor(
    `the jobs of ${server} are ${states.join(", ")}`,
    async () => {
      const jobs = await jobsOf(server);
      return String(jobs.map((job) => job["State"])) === String(states) && jobs;
    },
    { seen: () => daemon.log().slice(-2000) },
  );
}

interface Listed {
  readonly Backup: string;
  readonly Valid: number;
}

/** The backups of a server, oldest first, each of them found right by pg_verifybackup. */
async function judgedBackups(server: string): Promise<readonly Listed[]> {
  const { Backups } = await ask(daemon, "list-backup", server);
  const backups = Backups as Listed[];
  for (const { Backup } of backups) {
    const data = join(daemon.baseDir, server, "backup", Backup, "data");
    await runOrFail(tool("pg_verifybackup"), ["-n", data], { unprivileged: true });
  }
  return backups;
}

requires("pg_verifybackup").describe("backups at the same time", () => {
  it("of one server: the second waits, its client says for whom, and both are right", async () => {
    const clients = [await startBackup("first")];
    await untilJobs("first", ["running"]);
    clients.push(await startBackup("first"));
    const [running, waiting] = await untilJobs("first", ["running", "waiting"]);
    const reason = `waits for job ${String(running?.["Job"])} (backup)`;
    expect(waiting).toMatchObject({ Command: "backup", Reason: reason, Done: 0 });
    await waitFor("the client says so", () => clients[1]?.stderr().includes(`waiting, ${reason}`), {
      seen: () => clients[1]?.stderr(),
    });
    for (const client of clients) {
      const { status, stdout, stderr } = await client.finished;
      expect([status, stdout, stderr]).toEqual([0, expect.any(String), expect.any(String)]);
    }
    const backups = await judgedBackups("first");
    expect(backups.map(({ Valid }) => Valid)).toEqual([1, 1]);
    const [older, newer] = backups.map(({ Backup }) => Backup);
    expect(Number(newer)).toBeGreaterThan(Number(older));
  });

  it("of two servers run side by side, and both are right", async () => {
    const clients = [await startBackup("first"), await startBackup("second")];
    await waitFor(
      "bytes of both arrive at the same moment",
      async () => {
        const servers = (await daemon.look("status details"))["Servers"] as readonly ServerStatus[];
        const at = servers.map(({ Jobs }) => jobsIn(Jobs)[0]).filter((job) => Number(job?.["Done"] ?? 0) > 0);
        return at.length === 2 && at.every((job) => job?.["State"] === "running");
      },
      { seen: () => daemon.log().slice(-2000) },
    );
    for (const client of clients) expect((await client.finished).status).toBe(0);
    expect((await judgedBackups("first")).length).toBe(3);
    expect((await judgedBackups("second")).length).toBe(1);
  });

  it("the waiting one cancelled leaves the running one alone; the running one cancelled lets the next one through", async () => {
    // Nothing arrives any more: the running one holds still until it is cancelled.
    proxy.faults.silent = true;
    const clients = [await startBackup("remote")];
    await untilJobs("remote", ["running"]);
    for (const states of [
      ["running", "waiting"],
      ["running", "waiting", "waiting"],
    ]) {
      clients.push(await startBackup("remote"));
      await untilJobs("remote", states);
    }
    const [running, second, third] = await jobsOf("remote");
    expect(third?.["Reason"]).toBe(`waits for job ${String(running?.["Job"])} (backup)`);
    await ask(daemon, "cancel", "remote", String(second?.["Job"]));
    expect((await untilJobs("remote", ["running", "waiting"])).map((job) => job["Job"])).toEqual([
      running?.["Job"],
      third?.["Job"],
    ]);
    await ask(daemon, "cancel", "remote", String(running?.["Job"]));
    proxy.faults.silent = false;
    const ends = await Promise.all(clients.map((client) => client.finished));
    expect(ends.map(({ status }) => status)).toEqual([20, 20, 0]);
    expect((await judgedBackups("remote")).map(({ Valid }) => Valid)).toEqual([1]);
  });

  it("killed with its daemon, the running and the waiting one are named by the next, each with its outcome", async () => {
    proxy.faults.silent = true;
    const clients = [await startBackup("remote")];
    await untilJobs("remote", ["running"]);
    clients.push(await startBackup("remote"));
    const [running, waiting] = await untilJobs("remote", ["running", "waiting"]);
    // Whoever is told of a job finds it on disk.
    const onDisk = (await readFile(join(daemon.baseDir, "remote", "jobs.json"), "utf8")).split('"id"').length - 1;
    await daemon.kill9();
    expect(onDisk).toBe(2);
    for (const client of clients) expect((await client.finished).status).not.toBe(0);
    proxy.faults.silent = false;
    await daemon.start();
    const log = daemon.log();
    expect(log).toMatch(new RegExp(`job ${String(running?.["Job"])}: the backup of remote, begun at .*, was cut off: the daemon died`));
    expect(log).toMatch(new RegExp(`job ${String(waiting?.["Job"])}: the backup of remote waited in line since .* and never began`));
    expect((await ask(daemon, "progress", "remote"))["Last"]).toMatchObject({ Job: waiting?.["Job"], State: "cancelled", Code: "JOB_NOT_BEGUN" });
    // An end in order leaves nothing to say.
    await daemon.stop();
    const before = daemon.log().length;
    await daemon.start();
    expect(daemon.log().slice(before)).not.toMatch(/was cut off|never began/);
  });
});
