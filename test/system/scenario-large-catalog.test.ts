/**
 * M08: many backups and many WAL segments: the daemon starts, lists and tells its status in seconds and in bounded
 * memory. Here with a few hundred; `npm run sizes -- catalog` takes 10,000 backups and a million segments.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { lsn, segmentName, timelineId } from "../../src/postgres/index.ts";
import { formatBackupInfo } from "../../src/repository/backup-info-format.ts";
import { parseBackupInfo } from "../../src/repository/backup-info-parse.ts";
import { formatWalRecord } from "../../src/repository/wal-index.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { unprivilegedUser } from "../support/unprivileged-user.ts";
import { ask, serverStatus } from "./daemon-observation.ts";

const long = (process.env["MONETA_SIZES"] ?? "").split(" ").includes("catalog");
const backups = long ? 10_000 : 300;
/** Stored before the server's own first segment, which is number 2^20 for the long form. */
const segments = long ? 0x100000 - 1 : 0x1000 - 1;
const segmentSize = 16 * 2 ** 20;

let cluster: Cluster;
let daemon: Daemon;
beforeAll(async () => {
  cluster = await createCluster({ start: false });
  const first = segmentName(timelineId(1), lsn(BigInt(segments + 1) * BigInt(segmentSize)), segmentSize);
  const user = unprivilegedUser();
  const identity = user === undefined ? {} : { uid: user.uid, gid: user.gid };
  execFileSync(join(cluster.binDir, "pg_resetwal"), ["-l", first, cluster.dataDir], { stdio: "ignore", cwd: "/", ...identity });
  await cluster.start();
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }], settings: { log_level: "info" } });
  await daemon.waitUntilStreaming("primary");
  const label = String((await ask(daemon, "backup", "primary"))["Backup"]);
  await daemon.stop();
  const top = join(daemon.baseDir, "primary");
  storeBackups(join(top, "backup"), label);
  storeSegments(top);
}, 3_600_000);
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
}, 1_800_000);

/** The metadata of a real backup under many labels; its files are not looked at here. */
function storeBackups(directory: string, label: string): void {
  const info = parseBackupInfo(readFileSync(join(directory, label, "backup.info")), "backup.info", label);
  for (let index = 0; index < backups - 1; index += 1) {
    const other = new Date(Date.UTC(2016, 0, 1) + index * 3_600_000).toISOString().replace(/\D/g, "").slice(0, 14);
    const startLsn = lsn(BigInt(Math.floor(((index + 1) * segments) / backups)) * BigInt(segmentSize) + 40n);
    mkdirSync(join(directory, other), { mode: 0o700 });
    writeFileSync(join(directory, other, "backup.info"), formatBackupInfo({ ...info, label: other, startLsn, endLsn: lsn(startLsn + 500n), checkpointLsn: startLsn }));
    for (const name of ["backup.sha256", "backup.manifest", "backup.chunks"]) writeFileSync(join(directory, other, name), "");
  }
}

function storeSegments(top: string): void {
  const digest = "0".repeat(64);
  for (let number = 1; number <= segments; ) {
    const lines: string[] = [];
    let group = "";
    // One file of the index holds 256 segments.
    do {
      const segment = segmentName(timelineId(1), lsn(BigInt(number) * BigInt(segmentSize)), segmentSize);
      group = segment.slice(0, 16);
      writeFileSync(join(top, "wal", `${segment}.zstd`), "stored");
      const chunks = Array.from({ length: 16 }, () => ({ stored: 1, plain: 2 ** 20, crc32c: 1 }));
      lines.push(formatWalRecord({ segment, suffix: ".zstd", hash: "sha256", plainSize: segmentSize, plainDigest: digest, plainCrc32c: 1, storedSize: 6, storedDigest: digest, headerSize: 0, chunks, archivedAt: 0 }));
      number += 1;
    } while (number % 256 !== 0 && number <= segments);
    writeFileSync(join(top, "wal_index", `${group}.jsonl`), `${lines.join("\n")}\n`);
  }
}

/** MiB. */
function resident(pid: number | undefined, what: "VmHWM" | "VmRSS"): number {
  const text = readFileSync(`/proc/${pid ?? 0}/status`, "latin1");
  return Number(new RegExp(`^${what}:\\s+([0-9]+) kB$`, "m").exec(text)?.[1]) / 1024;
}

it(`${backups} backups and ${segments} segments are started with, listed and summed up`, async () => {
  const times: string[] = [];
  const timed = async <T>(what: string, step: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const result = await step();
    times.push(`${what} ${((performance.now() - began) / 1000).toFixed(2)} s`);
    return result;
  };
  await timed("start", () => daemon.start());
  await timed("streaming", () => daemon.waitUntilStreaming("primary"));
  const list = await timed("list-backup", () => ask(daemon, "list-backup", "primary"));
  expect(list["NumberOfBackups"]).toBe(backups);
  expect((list["Backups"] as { Valid: number }[]).every(({ Valid }) => Valid === 1)).toBe(true);
  const status = await timed("status", () => serverStatus(daemon, "primary"));
  expect(status.NumberOfBackups).toBe(backups);
  expect(Object.values(status["Problems"] ?? {})).toEqual([]);
  const text = await timed("list-backup in text", () => daemon.cli(["list-backup", "primary"], { format: "text" }));
  expect(text.status).toBe(0);
  await timed("info newest", () => ask(daemon, "info", "primary", "newest"));
  const preview = await timed("retention, preview", () => ask(daemon, "retention", "--dry-run", "primary"));
  expect(JSON.stringify(preview)).toContain(String((list["Backups"] as { Backup: string }[])[0]?.Backup));
  await timed("backup", () => ask(daemon, "backup", "primary"));
  const peak = resident(daemon.pid(), "VmHWM");
  console.log(`${backups} backups, ${segments} segments: ${times.join(", ")}; supervisor: peak ${peak.toFixed(0)} MiB, now ${resident(daemon.pid(), "VmRSS").toFixed(0)} MiB`);
  expect(peak).toBeLessThan(400);
}, 1_800_000);
