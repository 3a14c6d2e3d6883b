/**
 * H10: a receiver and a job that hang (stopped, as storage that does not answer stops them) are nobody else's business:
 * other servers go on, questions are answered, a cancel takes effect, the daemon ends, and no process stays behind.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers } from "../support/marker-table.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { isAlive, signalPid } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled, receiverPid, serverStatus } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
beforeAll(async () => {
  cluster = await createCluster();
  daemon = await createDaemon({
    servers: [
      { name: "hung", cluster, settings: { max_rate: 200_000 } },
      { name: "well", cluster },
    ],
  });
  for (const server of ["hung", "well"]) await daemon.waitUntilStreaming(server);
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

const stateOf = (pid: number): string => {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
};

it("a receiver and a job that hang hold up neither other servers, nor a cancel, nor the end of the daemon", async () => {
  const client = await daemon.startCli(["backup", "hung"], { format: "raw" });
  const job = await waitFor("the backup runs", async () => {
    const running = Number((await serverStatus(daemon, "hung")).Jobs[0]?.["Done"] ?? 0) > 0;
    return running ? childrenTitled(daemon, "backup hung")[0] : undefined;
  });
  const receiver = await receiverPid(daemon, "hung");
  for (const pid of [job, receiver]) signalPid(pid, "SIGSTOP");
  const cancelling = daemon.cli(["cancel", "hung"], { format: "raw" });

  await insertMarkers(cluster, 1, 50);
  const end = await cluster.value("SELECT pg_current_wal_flush_lsn()");
  const reached = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'moneta_well' AND flush_lsn >=";
  await waitFor("the other server's WAL is received", async () => (await cluster.value(`${reached} '${end}'`)) === "1");
  expect(await ask(daemon, "backup", "well")).toMatchObject({ Valid: 1 });
  // What the one that hangs has not made durable was not acknowledged.
  expect(await cluster.value(`SELECT count(*) FROM pg_stat_replication WHERE application_name = 'moneta_hung' AND flush_lsn >= '${end}'`)).toBe("0");

  expect((await cancelling).status).toBe(0);
  const { stdout, status } = await client.finished;
  expect(status).not.toBe(0);
  expect(stdout).toContain("JOB_CANCELLED");
  await waitFor("nothing of the backup is left", () => readdirSync(join(daemon.baseDir, "hung", "backup")).length === 0, { seen: () => daemon.log().slice(-1000) });
  const children = daemon.children();
  expect(children.filter((pid) => stateOf(pid) === "Z")).toEqual([]);
  expect(children).toContain(receiver);

  expect(await daemon.stop()).toBe(0);
  expect([...children, job].filter(isAlive)).toEqual([]);
  expect(daemon.log()).toContain("receiver of hung did not end within");
});
