/** Drills and schedules of the built daemon: a backup is proven (F03), found wanting (F04), and taken by itself, or not, with the reason (A12). */
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { insertMarkers } from "../support/marker-table.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { isAlive, runOrFail, signalPid } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
let workspace: string;
/** Where the source archives its WAL: nobody else may. */
let archive: string;
let sqlFile: string;

interface Backup {
  readonly Backup: string;
  readonly Valid: number;
  readonly ProvenAt?: string;
  readonly DrillFailure?: string;
}
interface Status {
  readonly ProvenMoment?: string;
  readonly ProvenBackup?: string;
  /** An empty list travels as an object. */
  readonly Problems: readonly { readonly Code: string; readonly Message: string }[];
}

const backups = async (): Promise<Backup[]> => (await ask(daemon, "list-backup", "primary"))["Backups"] as Backup[];
const status = async (): Promise<Status> => ((await daemon.look("status"))["Servers"] as [Status])[0];
const problems = async (): Promise<string[]> => Object.values((await status()).Problems).map(({ Code }) => Code);
const reports = async (form: string): Promise<string[]> =>
  (await readdir(join(daemon.baseDir, "primary", "drills"))).filter((name) => name.endsWith(form)).sort();

async function writeSql(text: string): Promise<void> {
  await writeFile(sqlFile, text);
  giveToUnprivileged(sqlFile);
}

/** Processes that work in scratch space. */
function runningThere(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readlinkSync(`/proc/${name}/cwd`).startsWith(`${workspace}/`);
      } catch {
        // It ended between the two looks, or is somebody else's.
        return false;
      }
    })
    .map(Number);
}

beforeAll(async () => {
  const place = temporaryDirectory({ prefix: "mdr", unprivileged: true });
  archive = join(place.path, "archive");
  workspace = join(place.path, "w");
  sqlFile = join(place.path, "check.sql");
  await mkdir(archive);
  await writeSql("\\set rows 20\nSELECT 1 / (count(*) >= :rows)::int FROM marker;\n");
  giveToUnprivileged(place.path);
  cluster = await createCluster({
    // Damage of an index shall come into the backup as it is.
    checksums: false,
    settings: {
      archive_mode: "on",
      archive_command: `cp %p ${archive}/%f`,
      shared_preload_libraries: "pg_stat_statements",
    },
  });
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster, settings: { drill_sql: sqlFile } }],
    settings: { encryption: "aes", workspace },
  });
  await daemon.waitUntilStreaming("primary");
  await insertMarkers(cluster, 1, 10);
  await ask(daemon, "backup", "primary");
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

it("a drill proves a backup up to its last transaction, writes it down, and leaves nothing", async () => {
  const later = await insertMarkers(cluster, 11, 20);
  await waitFor("all of it is received", async () => {
    const end = (await cluster.value("SELECT pg_current_wal_flush_lsn()"))
      .split("/")
      .map((half) => Number.parseInt(half, 16));
    const [server] = (await daemon.look("status"))["Servers"] as [{ FlushedHiLSN: number; FlushedLoLSN: number }];
    return server.FlushedHiLSN === end[0] && server.FlushedLoLSN >= (end[1] ?? 0);
  });
  const proven = await ask(daemon, "drill", "primary");
  expect(proven["Checks"]).toEqual([
    { Name: "amcheck", Outcome: "passed" },
    { Name: "sql", Outcome: "passed" },
  ]);
  const last = Date.parse((later.at(-1)?.time ?? "").replace(" ", "T").replace(/\+00$/, "Z"));
  const moment = Date.parse(String(proven["ProvenMoment"]));
  expect(moment).toBeGreaterThanOrEqual(last - 1);
  expect(moment).toBeLessThan(last + 60_000);

  const [only] = await backups();
  expect(only?.ProvenAt).toMatch(/^\d{4}-/);
  expect(await status()).toMatchObject({ ProvenMoment: proven["ProvenMoment"], ProvenBackup: only?.Backup });
  expect(await problems()).toEqual([]);
  const report = JSON.parse(await readFile(String(proven["Report"]), "utf8")) as Record<string, unknown>;
  expect(report).toMatchObject({ outcome: "proven", server: "primary", failure: null });
  const page = await readFile(String(proven["Page"]), "utf8");
  expect(page).toContain("<h2>Proven</h2>");
  // Both are signed, in the eyes of OpenSSL.
  const key = join(dirname(String(proven["Page"])), `signer-${String(report["signer"])}.pem`);
  for (const path of [String(proven["Report"]), String(proven["Page"])]) {
    expect(await runOrFail("openssl", ["pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", path, "-sigfile", `${path}.sig`])).toContain("Verified Successfully");
  }
  const changed = join(workspace, "changed.json");
  await writeFile(changed, (await readFile(String(proven["Report"]), "utf8")).replace('"proven"', '"Proven"'));
  await expect(runOrFail("openssl", ["pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", changed, "-sigfile", `${String(proven["Report"])}.sig`])).rejects.toThrow();
  await rm(changed);
  // It needs nothing else: no address, no script.
  expect(page).not.toMatch(/https?:|<script|src=|@import|url\(/);

  expect(await readdir(workspace)).toEqual([]);
  expect(runningThere()).toEqual([]);
  // Its own timeline never left it.
  expect((await readdir(archive)).filter((name) => !name.startsWith("00000001"))).toEqual([]);
});

it("a drill shows how far it came in text for people, and takes a position in the place of the backup", async () => {
  const target = await cluster.value("SELECT pg_current_wal_lsn()");
  const shown = await daemon.cli(["drill", "primary", "immediate"], { format: "text" });
  // The rows of the file are not there yet at the end of the backup.
  expect(shown.status).not.toBe(0);
  expect(shown.stderr).toContain("the operator's SQL file failed");
  expect(shown.stderr).toContain("division by zero");
  expect(await problems()).toContain("DRILL_FAILED");
  expect((await reports(".html")).length).toBe(2);
  // What was proven before is proven still.
  expect((await status()).ProvenMoment).toBeDefined();
  for (const [position, code] of [
    ["replica", "DRILL_POSITION_REFUSED"],
    [`lsn=${target},action=pause`, "DRILL_POSITION_REFUSED"],
    ["lsn=nonsense", "RESTORE_POSITION_INVALID"],
  ] as const) {
    const refused = await daemon.cli(["drill", "primary", "newest", position]);
    expect(refused.json?.Outcome, position).toMatchObject({ Status: false });
    expect([code, "RESTORE_POSITION_INVALID"]).toContain(refused.json?.Outcome["Code"]);
  }
  // A wish that cannot be granted says nothing of the backup.
  expect((await reports(".html")).length).toBe(2);
  expect(await readdir(workspace)).toEqual([]);
});

it("a drill finds an index that was damaged on the source: the backup has a remark, and retention keeps an older clean one (F04)", async () => {
  await ask(daemon, "backup", "primary");
  await cluster.sql("CREATE TABLE counted AS SELECT generate_series(1, 500) AS n");
  await cluster.sql("CREATE INDEX counted_n ON counted (n)");
  await cluster.sql("CHECKPOINT");
  const file = join(cluster.dataDir, await cluster.value("SELECT pg_relation_filepath('counted_n')"));
  await cluster.stop();
  const handle = await open(file, "r+");
  try {
    // The first leaf is the block after the meta page (nbtree.h); the key of its 50th entry becomes larger than all.
    const page = Buffer.alloc(8192);
    await handle.read(page, 0, page.length, 8192);
    const entry = page.readUInt32LE(24 + 49 * 4) & 0x7fff;
    await handle.write(Buffer.from([0xff, 0xff, 0xff, 0x7f]), 0, 4, 8192 + entry + 8);
  } finally {
    await handle.close();
  }
  await cluster.start();
  await daemon.waitUntilStreaming("primary");
  await ask(daemon, "backup", "primary");
  const refused = await daemon.cli(["drill", "primary", "newest"]);
  expect(refused.json?.Outcome).toMatchObject({ Status: false, Code: "DRILL_FAILED" });
  expect(String(refused.json?.Outcome["Message"])).toContain("counted_n");
  const [older, clean, damaged] = await backups();
  expect(damaged?.DrillFailure).toContain("counted_n");
  expect(older?.DrillFailure).toContain("SQL");
  expect(clean?.DrillFailure).toBeUndefined();
  await ask(daemon, "conf", "set", "server.primary.retention", "count:1");
  const decisions = (await ask(daemon, "retention", "--dry-run", "primary"))["Backups"] as { Backup: string; Action: string; Reason: string }[];
  expect(decisions.map(({ Backup, Action }) => [Backup, Action])).toEqual([
    [older?.Backup, "delete"],
    [clean?.Backup, "keep"],
    [damaged?.Backup, "keep"],
  ]);
  expect(decisions[1]?.Reason).toContain("no drill failed");
  const names = await reports(".json");
  const report = await readFile(join(daemon.baseDir, "primary", "drills", names.at(-1) ?? ""), "utf8");
  expect(JSON.parse(report)).toMatchObject({ outcome: "failed", failure: { stage: "amcheck" } });
  await cluster.sql("REINDEX INDEX counted_n");
});

it("a drill that is killed leaves neither server nor scratch space, after a restart of the daemon at the latest", async () => {
  await writeSql("SELECT pg_sleep(3600);\n");
  const began = async (): Promise<number> => {
    await daemon.startCli(["drill", "primary", "oldest"]);
    return waitFor("its file of SQL runs", () => {
      const there = runningThere().map((pid) => readlinkSync(`/proc/${pid}/exe`));
      if (!there.some((path) => path.endsWith("/psql"))) return undefined;
      return childrenTitled(daemon, "drill primary")[0];
    });
  };
  // Its process alone: the daemon has it cleaned.
  signalPid(await began(), "SIGKILL");
  await waitFor(
    "what it left is gone",
    async () => (await readdir(workspace)).length === 0 && runningThere().length === 0,
  );

  // With the whole daemon, in the same instant; its server lives on.
  const job = await began();
  const servers = runningThere();
  signalPid(daemon.pid() ?? 0, "SIGSTOP");
  signalPid(job, "SIGKILL");
  signalPid(daemon.pid() ?? 0, "SIGKILL");
  await waitFor("the daemon is gone", () => daemon.pid() === undefined && !isAlive(job));
  expect(runningThere().some((pid) => servers.includes(pid))).toBe(true);
  await daemon.start();
  await waitFor(
    "what it left is gone",
    async () => (await readdir(workspace)).length === 0 && runningThere().length === 0,
  );
});

it("backups are taken and drilled by themselves (F03), and one that is not taken says why, everywhere, until one is again (A12)", async () => {
  await daemon.stop();
  await writeSql("\\set rows 20\nSELECT 1 / (count(*) >= :rows)::int FROM marker;\n");
  const metrics = await freePort();
  const told = join(workspace, "..", "told");
  const teller = join(workspace, "..", "teller");
  await writeFile(teller, `#!/bin/sh\ncat >> ${told}\n`, { mode: 0o755 });
  giveToUnprivileged(teller);
  const configured = await readFile(daemon.configFile, "utf8");
  const main = `[pgmoneta]\nmetrics = ${metrics}\nnotify_command = ${teller}\nnotify_delay = 0\ncheck_interval = 1\ncheck_ignore = DISK_SPACE\n`;
  await writeFile(daemon.configFile, configured.replace("[pgmoneta]\n", main));
  await daemon.appendToConfiguration("backup = * * * * * *\nschedule_timezone = UTC\ndrill = * * * * * *\n");
  const before = (await readdir(join(daemon.baseDir, "primary", "backup"))).length;
  await daemon.start();
  type Run = { Kind: string; Next: { Time: string }[]; Last?: { Outcome: string }; Skipped?: { Reason: string } };
  const scheduleOf = async (kind: string): Promise<Run | undefined> => {
    const [server] = (await ask(daemon, "schedule", "primary"))["Servers"] as [{ Schedules: Run[] }];
    return server.Schedules.find(({ Kind }) => Kind === kind);
  };
  await waitFor("one was taken", async () => (await scheduleOf("backup"))?.Last?.Outcome === "succeeded");
  expect((await backups()).filter(({ Valid }) => Valid === 1).length).toBeGreaterThan(before);

  const known = (await reports(".json")).length;
  const proof = await waitFor(
    "one was drilled and proven",
    async () => {
      for (const name of (await reports(".json")).slice(known)) {
        const path = join(daemon.baseDir, "primary", "drills", name);
        const report = JSON.parse(await readFile(path, "utf8")) as { outcome: string; signer: string; times: { recoverMs: number }; checks: { name: string; outcome: string }[] };
        if (report.outcome === "proven" && existsSync(`${path}.sig`)) return { path, report };
      }
      return undefined;
    },
    { seen: () => daemon.log().slice(-2000) },
  );
  await ask(daemon, "conf", "set", "server.primary.drill", "0 3 * * *");
  expect(proof.report.checks.map(({ name, outcome }) => [name, outcome])).toEqual([["amcheck", "passed"], ["sql", "passed"]]);
  expect(proof.report.times.recoverMs).toBeGreaterThan(0);
  const key = join(dirname(proof.path), `signer-${proof.report.signer}.pem`);
  expect(await runOrFail("openssl", ["pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", proof.path, "-sigfile", `${proof.path}.sig`])).toContain("Verified Successfully");
  const idle = async (command: string): Promise<boolean> => (await ask(daemon, "progress", "primary", command))["Job"] === null;
  await waitFor("no drill runs any more", () => idle("drill"), { seen: () => daemon.log().slice(-2000) });
  expect([await readdir(workspace), runningThere()]).toEqual([[], []]);

  await ask(daemon, "mode", "primary", "offline");
  // One that was under way waits for its last WAL, which does not come any more.
  await waitFor("none is under way", async () => {
    if (await idle("backup")) return true;
    await daemon.cli(["cancel", "primary"]);
    return false;
  });
  await waitFor("one was skipped", async () => (await scheduleOf("backup"))?.Skipped?.Reason.includes("offline") === true, { seen: () => daemon.log().slice(-3000) });
  // Two seconds without a backup are twice the distance of the schedule.
  await waitFor("the alarm", async () => (await problems()).includes("BACKUP_OVERDUE"));
  expect(daemon.log()).toContain("is skipped: server primary is offline");
  const notified = async (): Promise<string> => (existsSync(told) ? readFile(told, "utf8") : "");
  await waitFor("somebody was told", async () => (await notified()).includes("BACKUP_OVERDUE"), { seen: () => daemon.log().slice(-2000) });
  const alarmed = async (): Promise<boolean> => /^moneta_server_problem\{[^}]*code="BACKUP_OVERDUE"[^}]*\} 1$/m.test(await (await fetch(`http://localhost:${metrics}/metrics`)).text());
  expect(await alarmed()).toBe(true);
  const drill = await scheduleOf("drill");
  expect(drill?.Next[0]?.Time).toMatch(/T03:00:00.000Z$/);
  const text = await daemon.cli(["schedule"], { format: "text" });
  expect(text.stdout).toMatch(/^SERVER +WHAT +WHEN +NEXT/);
  expect(text.stdout).toContain("was skipped");
  await ask(daemon, "mode", "primary", "online");
  await waitFor("the alarm is over", async () => !(await problems()).includes("BACKUP_OVERDUE"), { seen: () => daemon.log().slice(-2000) });
  await waitFor("the metrics say so too", async () => !(await alarmed()));
});
