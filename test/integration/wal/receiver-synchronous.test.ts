import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lsn, parseSegmentName, type Lsn } from "../../../src/postgres/index.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { startProcess } from "../../support/processes.ts";
import { requires, tool } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { position, receive } from "./receiving.ts";

const megabyte = 1024 * 1024;
let cluster: Cluster;

beforeAll(async () => {
  cluster = await createCluster({ walSegmentSize: megabyte });
  await cluster.sql("CREATE TABLE t (a int, b text)");
  await cluster.configure({ synchronous_standby_names: "moneta" });
  await cluster.reload();
});
afterAll(async () => {
  await cluster.destroy();
});

describe("as the synchronous standby", () => {
  it.each(["on", "remote_write"])("a commit with synchronous_commit = %s waits for the receiver and is answered by it", async (mode) => {
    const client = await cluster.connect({ applicationName: "waiting" });
    await client.query(`SET synchronous_commit = ${mode}`);
    const commit = client.query("INSERT INTO t VALUES (1)");
    await waitFor("the commit waits", async () => (await cluster.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waiting' AND wait_event = 'SyncRep'")) === "1");
    const receiving = receive(cluster);
    await commit;
    for (let n = 0; n < 50; n += 1) await client.query("INSERT INTO t VALUES (2, repeat('x', 5000))");
    await waitFor("it is the standby that counts", async () => (await cluster.value("SELECT sync_state = 'sync' AND replay_lsn IS NULL FROM pg_stat_replication")) === "t");
    await receiving.stop();
    await client.end();
  });

  it("the setting that waits for ever is warned about, once and not at every reconnect", async () => {
    await cluster.configure({ synchronous_commit: "remote_apply" });
    await cluster.reload();
    // The settings of a session of the server reach it a moment after the reload.
    await waitFor("the setting is there", async () => (await cluster.value("SHOW synchronous_commit")) === "remote_apply");
    const receiving = receive(cluster);
    await receiving.reached("streaming");
    const about = (): string[] => receiving.log.filter((line) => line.startsWith("warn:") && line.includes("remote_apply"));
    expect(about()).toHaveLength(1);
    expect(about()[0]).toContain("ALTER SYSTEM SET synchronous_commit");
    await cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
    await receiving.reached("disconnected");
    await receiving.reached("streaming");
    expect(about()).toHaveLength(1);
    await receiving.stop();
    await cluster.configure({ synchronous_commit: "on" });
    await cluster.reload();
  });

  requires("strace").test("no position is reported before the system call that makes it durable has returned", async () => {
    const directory = temporaryDirectory({ prefix: "mtrace" });
    const base = join(directory.path, "base");
    const { host, port, user } = cluster.connectionOptions;
    const program = join(import.meta.dirname, "../../fixtures/.built/wal/receiver-program.js");
    const argument = JSON.stringify({ base, host, port, user, slot: "moneta" });
    // It begins far behind: what comes then is written early by another thread, which nothing that is reported rests on.
    await cluster.sql("SET synchronous_commit = local; INSERT INTO t SELECT 4, repeat(md5(g::text), 60) FROM generate_series(1, 14000) g");
    const calls = "trace=openat,close,write,writev,pwrite64,sendto,sendmsg,fdatasync,fsync,rename,ftruncate";
    const traced = await startProcess(tool("strace"), ["-ff", "-o", join(directory.path, "calls"), "-xx", "-s", "128", "-e", calls, process.execPath, program, argument]);
    const client = await cluster.connect();
    for (let n = 0; n < 120; n += 1) await client.query("INSERT INTO t SELECT 3, repeat(md5(g::text), 40) FROM generate_series(1, 20) g");
    const end = await position(cluster);
    await client.end();
    await waitFor("it is flushed", async () => (await cluster.value(`SELECT flush_lsn >= '0/0'::pg_lsn + ${end} FROM pg_stat_replication`)) === "t");
    for (const child of readChildren(traced.pid)) process.kill(child, "SIGTERM");
    const { stderr, status } = await traced.finished;
    expect([status, stderr]).toEqual([0, ""]);

    // Each thread has a file; the stream and the segments are the business of the first.
    const [first, ...others] = readdirSync(directory.path).filter((name) => name.startsWith("calls.")).map((name) => Number(name.slice(6))).sort((a, b) => a - b);
    const lines = (thread = 0): string[] => readFileSync(join(directory.path, `calls.${thread}`), "latin1").split("\n");
    const judged = judge(lines(first));
    expect(judged.tooEarly).toEqual([]);
    expect(judged.reports).toBeGreaterThan(100);
    expect(judged.syncs).toBeGreaterThan(100);
    expect(judged.segments).toBeGreaterThan(1);
    expect(judged.highest).toBeGreaterThanOrEqual(end);
    expect(others.flatMap(lines).filter((line) => /^fdatasync\(\d+\) += 0/.test(line)).length).toBeGreaterThan(3);
  });
});

const readChildren = (pid: number): number[] => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter((one) => one !== "").map(Number);

interface Judgement {
  readonly tooEarly: string[];
  reports: number;
  syncs: number;
  segments: number;
  highest: Lsn;
}

interface OpenFile {
  readonly start: Lsn;
  written: number;
  /** The directory was synced after the file was made. */
  named: boolean;
}

/** Walks through the system calls in their order and compares each standby status update with what was durable by then. */
function judge(lines: readonly string[]): Judgement {
  const judgement: Judgement = { tooEarly: [], reports: 0, syncs: 0, segments: 0, highest: lsn(0) };
  const files = new Map<string, OpenFile>();
  const directories = new Set<string>();
  /** The first report is the start of the first segment, before which nothing is promised by this process. */
  let durable: bigint | undefined;
  for (const line of lines) {
    const [, name = "", rest = ""] = /^(\w+)\((.*)$/.exec(line) ?? [];
    const result = /= (-?\d+)/.exec(rest.slice(rest.lastIndexOf(")")))?.[1] ?? "";
    const fd = /^(\d+)/.exec(rest)?.[1] ?? "";
    if (name === "openat") {
      const path = bytesIn(rest).toString("latin1");
      const segment = /([0-9A-F]{24})\.partial$/.exec(path)?.[1];
      if (segment !== undefined) files.set(result, { start: parseSegmentName(segment, megabyte).start, written: 0, named: false });
      if (rest.includes("O_DIRECTORY") && path.endsWith("/wal")) directories.add(result);
    } else if (name === "close") {
      files.delete(fd);
      directories.delete(fd);
    } else if (name === "pwrite64") {
      const file = files.get(fd);
      if (file !== undefined) file.written += Number(result);
    } else if (name === "fdatasync" || name === "fsync") {
      expect(result, line).toBe("0");
      if (directories.has(fd)) for (const open of files.values()) open.named = true;
      const file = files.get(fd);
      if (file?.named !== true) continue;
      judgement.syncs += 1;
      const end = file.start + BigInt(file.written);
      if (durable === undefined || end > durable) durable = end;
      if (file.written === megabyte && name === "fdatasync") judgement.segments += 1;
    } else if (name === "write" || name === "writev" || name === "sendto" || name === "sendmsg") {
      const bytes = bytesIn(rest);
      // CopyData of 38 bytes, of type "r": write, flush, apply.
      if (bytes.length < 39 || bytes.readUInt32BE(1) !== 38 || bytes[0] !== 0x64 || bytes[5] !== 0x72) continue;
      judgement.reports += 1;
      const flush = lsn(bytes.readBigUInt64BE(14));
      durable ??= flush;
      if (flush > durable || bytes.readBigUInt64BE(6) !== flush || bytes.readBigUInt64BE(22) !== 0n) judgement.tooEarly.push(line);
      if (flush > judgement.highest) judgement.highest = flush;
    }
  }
  return judgement;
}

/** The bytes of the first string of a line of strace -xx. */
function bytesIn(text: string): Buffer {
  const quoted = /"((?:\\x[0-9a-f]{2})*)"/.exec(text)?.[1] ?? "";
  return Buffer.from(quoted.replaceAll("\\x", ""), "hex");
}
