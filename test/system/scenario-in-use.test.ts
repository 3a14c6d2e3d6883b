/**
 * E05: while a backup is being restored, retention and deletions leave it and its WAL alone and do everything else; what
 * waits is seen, can be cancelled, and is told what became of it when the daemon ends. The restored cluster is the judge.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type CliResult, type Daemon } from "../support/daemon.ts";
import { insertMarkers, markersIn } from "../support/marker-table.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { signalPid, type RunningProcess } from "../support/processes.ts";
import { segmentsIn } from "../support/repository-judge.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled, serverStatus, type ServerStatus } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
let labels: string[];
let markers = 0;

beforeAll(async () => {
  cluster = await createCluster({ walSegmentSize: 1024 * 1024 });
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster }],
    settings: { retention: "count:1", retention_interval: 2_000_000 },
  });
  await daemon.waitUntilStreaming("primary");
  labels = [await backup(), await backup(), await backup()];
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

async function backup(): Promise<string> {
  markers += 1;
  await insertMarkers(cluster, markers, markers);
  await cluster.sql("SELECT pg_switch_wal()");
  return String((await ask(daemon, "backup", "primary"))["Backup"]);
}

const labelsOnDisk = async (): Promise<string[]> => (await readdir(join(daemon.baseDir, "primary", "backup"))).sort();
const storedWal = (): Promise<string[]> => segmentsIn(join(daemon.baseDir, "primary", "wal"));

async function jobs(): Promise<ServerStatus["Jobs"]> {
  // An empty list travels as an empty object.
  const listed = (await serverStatus(daemon, "primary")).Jobs;
  return "length" in listed ? listed : [];
}

interface Frozen {
  readonly client: RunningProcess;
  readonly job: string;
  /** Lets the restore go on. */
  readonly thaw: () => void;
}

/** A restore that has begun and stands still, for as long as a test wants. */
async function frozenRestore(label: string, how: "--copy-wal" | "--dry-run" = "--copy-wal"): Promise<Frozen> {
  const directory = join(daemon.root, "tmp");
  for (;;) {
    for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true });
    const client = await daemon.startCli(["restore", how, "primary", label, directory], { format: "raw" });
    const pid = await waitFor("the restore runs", () => childrenTitled(daemon, "restore primary")[0], { everyMs: 2 });
    signalPid(pid, "SIGSTOP");
    const job = (await jobs()).find(({ Command }) => Command === "restore");
    if (job !== undefined) return { client, job: String(job["Job"]), thaw: () => void signalPid(pid, "SIGCONT") };
    // It was quicker than whoever wanted to stop it.
    await client.finished;
  }
}

async function outcomeOf(client: RunningProcess): Promise<{ readonly status: number | null; readonly json: CliResult["json"] }> {
  const { status, stdout } = await client.finished;
  return { status, json: stdout.trim() === "" ? undefined : (JSON.parse(stdout) as NonNullable<CliResult["json"]>) };
}

/** Starts a command that has to wait, and returns it when it does, with how its job is shown. */
async function waits(...words: readonly string[]): Promise<{ readonly client: RunningProcess; readonly job: ServerStatus["Jobs"][number] }> {
  const before = (await jobs()).length;
  const client = await daemon.startCli(words, { format: "raw" });
  const job = await waitFor(`${words.join(" ")} is in line`, async () => {
    const all = await jobs();
    return all.length > before && all.at(-1);
  });
  return { client, job };
}

interface Retained {
  readonly Backups: readonly { readonly Backup: string; readonly Action: string; readonly Reason: string }[];
}
async function retention(): Promise<readonly (readonly [string, string, string])[]> {
  const { Backups } = (await ask(daemon, "retention", "primary")) as unknown as Retained;
  return Backups.map(({ Backup, Action, Reason }) => [Backup, Action, Reason]);
}

describe("a backup that is being restored", () => {
  it("stays with its WAL while retention and deletions take all the rest, and can be deleted as soon as it is restored", async () => {
    const [oldest = "", middle = "", newest = ""] = labels;
    const firstSegment = String((await ask(daemon, "info", "primary", oldest))["WAL"]);
    const before = await storedWal();
    const { client, job, thaw } = await frozenRestore(oldest);
    expect(await retention()).toEqual([
      [oldest, "keep", "in use by a job"],
      [middle, "delete", "there is a newer copy"],
      [newest, "keep", expect.any(String)],
    ]);
    expect(await labelsOnDisk()).toEqual([oldest, newest]);
    expect((await storedWal()).filter((name) => before.includes(name))).toEqual(before.filter((name) => name >= firstSegment));

    // Neither a backup nor the deletion of another one waits for it.
    const added = await backup();
    expect(await ask(daemon, "delete", "primary", newest)).toMatchObject({ Backup: newest });
    labels = [oldest, added];

    const first = await waits("delete", "primary", "oldest");
    expect(first.job).toMatchObject({ State: "waiting", Command: "delete", Reason: `waits for job ${job} (restore)`, Place: 1 });
    const second = await waits("delete", "primary", added);
    expect(second.job).toMatchObject({ State: "waiting", Reason: `waits for job ${String(first.job["Job"])} (delete)`, Place: 2 });
    expect(await serverStatus(daemon, "primary")).toMatchObject({ WaitingJobs: 2 });
    expect((await daemon.cli(["status"], { format: "text" })).stdout).toMatch(/restore, 2 waiting/);
    await ask(daemon, "cancel", "primary", String(second.job["Job"]));
    expect(await outcomeOf(second.client)).toMatchObject({ status: 20, json: { Outcome: { Status: false, Code: "JOB_NOT_BEGUN" } } });

    thaw();
    const { status, json } = await outcomeOf(client);
    expect(status).toBe(0);
    expect((await outcomeOf(first.client)).status).toBe(0);
    labels = [added];
    expect(await labelsOnDisk()).toEqual(labels);
    const copy = await runOnDirectory({ major: 15, dataDir: String(json?.Response["Directory"]) });
    await waitFor("recovery is over", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f");
    expect(await markersIn(copy)).toEqual(expect.arrayContaining([1, 2, 3]));
    await copy.destroy();
  });

  it("may be any one as long as the restore has not chosen: nothing goes", async () => {
    labels.push(await backup());
    // One that only plans never says which it has chosen.
    const { client, thaw } = await frozenRestore("newest", "--dry-run");
    const before = await storedWal();
    for (const [, action, reason] of await retention()) expect([action, reason]).toEqual(["keep", expect.stringContaining("in use by a job")]);
    expect(await labelsOnDisk()).toEqual(labels);
    expect(await storedWal()).toEqual(expect.arrayContaining(before));
    thaw();
    expect((await outcomeOf(client)).status).toBe(0);
    expect((await retention()).map(([, action]) => action)).toEqual(["delete", "keep"]);
    labels.shift();
  });
});

describe("a job that waits when the daemon ends", () => {
  it("never began, and its client and the log say so", async () => {
    const [label = ""] = labels;
    const { client, thaw } = await frozenRestore(label);
    const waiting = await waits("delete", "primary", label);
    const stopped = daemon.stop();
    const { status, json } = await outcomeOf(waiting.client);
    expect([status, json?.Outcome]).toMatchObject([20, { Status: false, Code: "JOB_NOT_BEGUN" }]);
    thaw();
    await client.finished;
    expect(await stopped).toBe(0);
    expect(daemon.log()).toMatch(/the delete of primary waited in line and never began: the daemon stops/);
    expect(await labelsOnDisk()).toEqual(labels);
    await daemon.start();
  });

  it("by SIGKILL leaves a client that fails and says why, and nothing is done", async () => {
    const [label = ""] = labels;
    await frozenRestore(label);
    const waiting = await waits("delete", "primary", label);
    await daemon.kill9();
    const { status, stderr, stdout } = await waiting.client.finished;
    expect(status).toBe(3);
    expect(stdout + stderr).toMatch(/MANAGEMENT_CONNECTION_CLOSED/);
    expect(stdout + stderr).toMatch(/still waiting in line never began/);
    await daemon.start();
    expect(await labelsOnDisk()).toEqual(labels);
    expect(await jobs()).toEqual([]);
  });
});
