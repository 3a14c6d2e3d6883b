/** F01: the daemon reads every backup back by itself; operators ask for it; what is damaged is marked and shown. */
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { signalPid } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled, serverStatus } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
let label: string;

interface Listed {
  readonly Backup: string;
  readonly Valid: number;
  readonly Problem?: string;
  readonly VerifiedAt?: string;
  readonly Verification?: string;
}
const listed = async (): Promise<readonly Listed[]> => (await ask(daemon, "list-backup", "primary"))["Backups"] as readonly Listed[];
const backupFile = (name: string): string => join(daemon.baseDir, "primary/backup", label, name);
const verifiedFile = (): { readonly unfinished: { readonly label: string; readonly entries: number } | null } =>
  JSON.parse(readFileSync(join(daemon.baseDir, "primary/verified.json"), "utf8")) as never;
/** Takes the configuration's place; the daemon is not running. */
function configure(lines: string): void {
  const before = readFileSync(daemon.configFile, "utf8").replace(/^verification.*\n/gm, "");
  writeFileSync(daemon.configFile, before.replace("[pgmoneta]\n", `[pgmoneta]\n${lines}`));
}

beforeAll(async () => {
  cluster = await createCluster();
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }], settings: { compression: "zstd" } });
  await daemon.waitUntilStreaming("primary");
  label = String((await ask(daemon, "backup", "primary"))["Backup"]);
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

describe("verify", () => {
  it("answers with pgmoneta's document, takes a directory without using it, and lists all files when asked", async () => {
    const directory = join(daemon.root, "unused");
    const { status, json } = await daemon.cli(["verify", "primary", "newest", directory, "all"], { format: "raw" });
    expect(status).toBe(0);
    const files = json?.Response["Files"] as { readonly All: readonly Record<string, string>[]; readonly Failed: unknown };
    expect(json?.Response).toMatchObject({ Server: "primary", Backup: label, Restorable: true, NumberOfFindings: 0, ServerVersion: "0.22.0" });
    expect(files.Failed).toEqual({});
    const version = files.All.find(({ FileName }) => FileName === "PG_VERSION");
    expect(version).toEqual({ Directory: backupFile("data"), FileName: "PG_VERSION", HashAlgorithm: "SHA256", Original: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    expect(json?.Response["Warnings"]).toEqual([expect.stringContaining(directory)]);
    expect(existsSync(directory)).toBe(false);
    expect((await listed())[0]).toMatchObject({ Valid: 1, Verification: "good" });
    const text = await daemon.cli(["verify", "primary", label], { format: "text" });
    expect(text.stdout).toMatch(/^Verified backup \d{14} of primary: every byte is as it was stored\.\n  read \d+ files/);
    expect((await daemon.cli(["info", "primary", label], { format: "text" })).stdout).toMatch(/^Verified +\d{4}-.*, good$/m);
  });

  it("says no to a damaged backup, marks it, has status show it, and takes that back when every byte is right again", async () => {
    const path = backupFile("data/PG_VERSION.zstd");
    renameSync(path, `${path}.away`);
    const { status, json } = await daemon.cli(["verify", "primary", "newest"], { format: "raw" });
    expect(status).toBe(85);
    expect(json?.Outcome).toMatchObject({ Status: false, Code: "VERIFY_FOUND_DAMAGE" });
    const failed = (json?.Response["Files"] as { readonly Failed: readonly Record<string, unknown>[] }).Failed;
    expect(failed.map(({ FileName, Kind }) => [FileName, Kind])).toEqual(expect.arrayContaining([["PG_VERSION.zstd", "missing"], ["PG_VERSION.zstd.away", "surplus"]]));
    expect((await listed())[0]).toMatchObject({ Valid: 0, Verification: "bad", Problem: expect.stringContaining("PG_VERSION") as string });
    const restore = await daemon.cli(["restore", "primary", "newest", join(daemon.root, "restored")]);
    expect(restore.status).toBe(40);
    expect((await serverStatus(daemon, "primary")).Problems).toMatchObject([{ Code: "VERIFY_FOUND_DAMAGE", Message: expect.stringContaining(label) as string }]);
    expect(daemon.log()).toMatch(/cannot be restored any more, and is no longer offered/);
    const text = await daemon.cli(["verify", "primary", label], { format: "text" });
    expect(text.stdout).toMatch(/^DAMAGED: backup \d{14} of primary cannot be restored\./);
    expect(Math.max(...text.stdout.split("\n").filter((line) => !line.startsWith("!")).map((line) => line.length))).toBeLessThanOrEqual(80);
    const offline = await daemon.cli(["--offline", "-D", daemon.configDir, "verify", "primary", label], { format: "raw" });
    expect([offline.status, offline.json?.Outcome["Code"]]).toEqual([85, "VERIFY_FOUND_DAMAGE"]);
    renameSync(`${path}.away`, path);
    expect((await daemon.cli(["verify", "primary", label])).status).toBe(0);
    expect((await listed())[0]).toMatchObject({ Valid: 1, Verification: "good" });
    expect((await serverStatus(daemon, "primary")).Problems).toEqual({});
  });
});

describe("verification by itself", () => {
  it("goes on where it was killed, and has read every backup back within the period", async () => {
    await daemon.stop();
    rmSync(join(daemon.baseDir, "primary/verified.json"));
    // Due at once, and in no hurry.
    configure("verification = 1m\nverification_rate = 64K\n");
    await daemon.start();
    const first = await waitFor("a state is written down", async () => verifiedStateOf()?.entries, { seen: () => daemon.log().slice(-2000) });
    const [pid] = childrenTitled(daemon, "verify");
    if (pid === undefined) throw new Error("no verification runs");
    signalPid(pid, "SIGKILL");
    // As fast as it goes from here on.
    await daemon.stop();
    configure("verification = 1m\n");
    await daemon.start();
    await waitFor("the backup is verified", async () => (await listed())[0]?.Verification === "good", { seen: () => daemon.log().slice(-2000) });
    const resumed = /verifies backup \d{14}.*from[=:"]+ ?"?(\d+)/g;
    const froms = [...daemon.log().matchAll(resumed)].map(([, from]) => Number(from));
    expect(Math.max(...froms)).toBeGreaterThanOrEqual(Number(first));
    expect(verifiedFile().unfinished).toBeNull();
  });

  it("marks what it finds", async () => {
    appendFileSync(backupFile("data/postgresql.conf.zstd"), "x");
    await daemon.stop();
    configure("verification = 2s\n");
    await daemon.start();
    await waitFor("the backup is marked", async () => (await listed())[0]?.Valid === 0, { seen: () => daemon.log().slice(-2000) });
    expect((await serverStatus(daemon, "primary")).Problems).toMatchObject([{ Code: "VERIFY_FOUND_DAMAGE" }]);
  });

  it("reads what is stored as it was in threads of the built program, and names what is wrong with it", async () => {
    await daemon.stop();
    configure("");
    writeFileSync(daemon.configFile, readFileSync(daemon.configFile, "utf8").replace(/^compression = zstd$/m, "compression = none"));
    await daemon.start();
    await daemon.waitUntilStreaming("primary");
    label = String((await ask(daemon, "backup", "primary"))["Backup"]);
    expect((await daemon.cli(["verify", "primary", label])).status).toBe(0);
    const [missing, changed] = ["data/PG_VERSION", "data/global/pg_filenode.map"] as const;
    rmSync(backupFile(missing));
    writeFileSync(backupFile(changed), "x", { flag: "r+" });
    const { status, json } = await daemon.cli(["verify", "primary", label], { format: "raw" });
    const failed = (json?.Response["Files"] as { readonly Failed: readonly Record<string, unknown>[] }).Failed;
    expect([status, failed.map(({ FileName, Kind }) => `${String(FileName)} ${String(Kind)}`).sort()]).toEqual([85, ["PG_VERSION missing", "global/pg_filenode.map changed"]]);
  });

  const verifiedStateOf = () => (existsSync(join(daemon.baseDir, "primary/verified.json")) ? verifiedFile().unfinished : null);
});
