/**
 * K03: the configuration of a daemon that runs is changed by SIGHUP and by commands, while WAL streams and a backup runs. PostgreSQL says
 * whose connection stayed: pid and start of its walsender. What is wrong changes nothing; what needs a restart is listed; a crash
 * in the middle of saving leaves the file as it was or as it was to be.
 */
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type CliResult, type Daemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { insertMarkers, startMarkerLoop, type MarkerLoop } from "../support/marker-table.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { signalPid } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled, serverStatus } from "./daemon-observation.ts";

let one: Cluster;
let two: Cluster;
let daemon: Daemon;
let load: MarkerLoop;
/** The walsender of the server that nothing is done to. */
let untouched: string;
/** The file as the test last wrote it. */
let written: string;

const secret = "n3v3r to be seen";

beforeAll(async () => {
  [one, two] = await Promise.all([createCluster(), createCluster()]);
  daemon = await createDaemon({
    servers: [{ name: "one", cluster: one }],
    settings: { retention_interval: 2_000_000, s3_secret_access_key: secret, log_level: "trace" },
  });
  await two.sql("CREATE ROLE moneta LOGIN REPLICATION; GRANT pg_read_all_settings TO moneta");
  await daemon.waitUntilStreaming("one");
  load = await startMarkerLoop(one);
  load.rest(20);
  untouched = await walsender(one, "moneta_one");
  written = readFileSync(daemon.configFile, "utf8");
});
afterAll(async () => {
  await load?.stop();
  await daemon?.destroy();
  await Promise.all([one?.destroy(), two?.destroy()]);
});

/** Which connection it is; empty while there is none. */
const walsender = async (cluster: Cluster, slot: string): Promise<string> =>
  (await cluster.sql(`SELECT pid, backend_start FROM pg_stat_replication WHERE application_name = '${slot}'`)).join();

const section = (name: string, cluster: Cluster, more = ""): string =>
  `\n[${name}]\nhost = ${cluster.socketDir}\nport = ${cluster.port}\nuser = moneta\nwal_slot = moneta_${name}\n${more}`;

/** Writes over the file, whose owner stays. */
function write(text: string): void {
  written = text;
  writeFileSync(daemon.configFile, text);
}

const cli = (...args: readonly string[]): Promise<CliResult> => daemon.cli(args, { format: "none" });
const get = async (key: string): Promise<string> => (await cli("conf", "get", key)).stdout.trim();

interface Frozen {
  readonly pid: number;
  /** Lets it go on; how the client was answered. */
  readonly thaw: () => Promise<CliResult>;
}

/** A backup that has begun and stands still, for as long as a test wants. */
async function frozenBackup(server: string): Promise<Frozen> {
  const answered = daemon.cli(["backup", server], { format: "raw" });
  let pid: number | undefined;
  await waitFor("the backup runs", () => {
    [pid] = childrenTitled(daemon, `backup ${server}`);
    if (pid !== undefined) signalPid(pid, "SIGSTOP");
    return pid !== undefined;
  });
  const own = pid ?? 0;
  return {
    pid: own,
    thaw() {
      signalPid(own, "SIGCONT");
      return answered;
    },
  };
}

/** What the reload said by the signal; the daemon says one of the two at its end. */
async function hangUp(): Promise<string> {
  const before = daemon.log().length;
  daemon.signal("SIGHUP");
  await waitFor("the reload is over", () => /is in force|nothing was changed/.test(daemon.log().slice(before)));
  return daemon.log().slice(before);
}

describe("servers", () => {
  it("come without the others noticing, and both are backed up", async () => {
    write(written + section("two", two));
    expect(await hangUp()).toContain("server two is new");
    await daemon.waitUntilStreaming("two");
    expect(await walsender(one, "moneta_one")).toBe(untouched);
    expect((await ask(daemon, "backup", "two"))["Valid"]).toBe(1);
  });

  it("keep streaming, and a backup runs to its end as it began, while the configuration changes again and again", async () => {
    write(written.replace("compression = zstd", "compression = zstd\nmax_rate = 4000000"));
    await ask(daemon, "conf", "reload");
    const { pid, thaw } = await frozenBackup("one");
    for (const [workers, compression, retention] of [[1, "gzip", 8], [2, "none", 9], [3, "lz4", 10], [0, "gzip", 7]] as const) {
      write(written.replace(/workers = \d+\n|retention = \d+\n/g, "").replace(/compression = \w+/, `workers = ${workers}\nretention = ${retention}\ncompression = ${compression}`));
      const { Changed: changed } = await ask(daemon, "conf", "reload");
      expect((changed as { Key: string }[]).map(({ Key: key }) => key)).toContain("compression");
      expect([await get("compression"), await get("workers")]).toEqual([compression, String(workers)]);
    }
    expect(childrenTitled(daemon, "backup one")).toEqual([pid]);
    const { json, stderr } = await thaw();
    expect(json?.Response, stderr).toMatchObject({ Valid: 1, Compression: 0x12 });
    expect(await walsender(one, "moneta_one")).toBe(untouched);
    // The next one has the method that is in force by now.
    write(written.replace("max_rate = 4000000\n", ""));
    await ask(daemon, "conf", "reload");
    expect(await ask(daemon, "backup", "one")).toMatchObject({ Valid: 1, Compression: 0x11 });
  });

  it("whose connection is different connect anew, and nobody else does", async () => {
    const before = await walsender(two, "moneta_two");
    write(written + "tls_mode = disable\n");
    expect(await ask(daemon, "conf", "reload")).toMatchObject({
      Restart: false,
      Changed: [{ Key: "server.two.tls_mode", Old: "prefer", New: "disable" }],
      Effects: ["the receiver of two connects anew"],
    });
    await waitFor("it has", async () => ![before, ""].includes(await walsender(two, "moneta_two")));
    expect(await walsender(one, "moneta_one")).toBe(untouched);
  });

  it("that go are let go: a backup comes to its end, its slot and its files stay, and a section that comes back finds them", async () => {
    write(written + "max_rate = 4000000\n");
    await ask(daemon, "conf", "reload");
    const { thaw } = await frozenBackup("two");
    const both = written;
    write(written.slice(0, written.indexOf("\n[two]")));
    const { ServersRemoved: removed, Effects: effects } = await ask(daemon, "conf", "reload");
    expect([removed, effects]).toEqual([["two"], [expect.stringContaining("pg_drop_replication_slot('moneta_two')")]]);
    expect((await cli("list-backup", "two")).status).toBe(5);
    // It needs WAL until its end, and gets it.
    const { json, stderr } = await thaw();
    expect(json?.Response, stderr).toMatchObject({ Valid: 1 });
    await waitFor("its receiver is gone", () => childrenTitled(daemon, "receiver two").length === 0);
    expect(await two.sql("SELECT slot_name, active FROM pg_replication_slots")).toEqual([["moneta_two", "f"]]);
    expect(readdirSync(join(daemon.baseDir, "two", "backup")).length).toBeGreaterThan(0);
    await insertMarkers(two, 1, 3);
    write(both.replace(/max_rate = 4000000\n$/, ""));
    await hangUp();
    await daemon.waitUntilStreaming("two");
    expect(await serverStatus(daemon, "two")).toMatchObject({ NumberOfBackups: 2, Gaps: 0 });
    expect(await walsender(one, "moneta_one")).toBe(untouched);
  });
});

describe("what is wrong", () => {
  it.each([
    ["a value", "job_memory = much", /pgmoneta\.conf:\d+: job_memory: expected a number of bytes.*, found "much"/],
    ["a key", "wrokers = 1", /pgmoneta\.conf:\d+: wrokers: expected a key of this section: did you mean workers\?/],
    ["a line", "workers", /pgmoneta\.conf:\d+: \[pgmoneta\]: expected \[section\], key = value, or a comment/],
    ["a log that cannot be opened", "log_path = /nowhere/moneta.log", /the log file "\/nowhere\/moneta\.log" cannot be opened/],
  ])("%s refuses everything, by the signal and by the command", async (_what, lines, expected) => {
    const before = written;
    try {
      write(before.replace("retention = 7", "retention = 99").replace("log_type = console", `log_type = ${lines.startsWith("log_path") ? "file" : "console"}\n${lines}`));
      const { status, stderr } = await cli("conf", "reload");
      expect([status !== 0, expected.test(stderr)], stderr).toEqual([true, true]);
      expect(await hangUp()).toMatch(expected);
      expect([await get("retention"), await get("log_type")]).toEqual(["7", "console"]);
    } finally {
      write(before);
    }
  });

  it("is nothing that needs a restart: that is listed and waits, everything else is in force", async () => {
    const before = written;
    write(before.replace("retention = 7", "retention = 12").replace(/base_dir = .*/, `base_dir = ${daemon.root}/elsewhere`));
    expect(await ask(daemon, "conf", "reload")).toMatchObject({
      Restart: true,
      Changed: [{ Key: "retention", Old: "7", New: "12" }],
      RestartRequired: [{ Key: "base_dir", Current: daemon.baseDir, Requested: `${daemon.root}/elsewhere` }],
    });
    expect([await get("retention"), await get("base_dir")]).toEqual(["12", daemon.baseDir]);
    write(before);
    expect(await ask(daemon, "conf", "reload")).toMatchObject({ Restart: false });
  });

  it("is not set either", async () => {
    const before = readFileSync(daemon.configFile, "utf8");
    for (const [code, ...words] of [
      ["CONFIGURATION_REFUSED", "--save", "workers", "many"],
      ["CONFIGURATION_KEY_UNKNOWN", "--save", "wrokers", "1"],
      ["SERVER_UNKNOWN", "--save", "server.three.workers", "1"],
      // With --save it would be in the file, for the next start.
      ["CONFIGURATION_NEEDS_RESTART", "base_dir", "/elsewhere"],
    ] as const) {
      const { status, stderr } = await cli("conf", "set", ...words);
      expect([status === 0, stderr.includes(code)], stderr).toEqual([false, true]);
    }
    expect([readFileSync(daemon.configFile, "utf8"), await get("workers")]).toEqual([before, "0"]);
  });
});

describe("setting a key", () => {
  it("is in force at once, and in the file when it is saved, which is otherwise as it was", async () => {
    await ask(daemon, "conf", "set", "server.one.retention", "30");
    expect([await get("server.one.retention"), await get("server.two.retention")]).toEqual(["30", "7"]);
    expect((await serverStatus(daemon, "one"))["RetentionDays"]).toBe(30);
    expect(readFileSync(daemon.configFile, "utf8")).toBe(written);
    write(`# Mine\n${written}# The end\n`);
    const { mode, uid } = statSync(daemon.configFile);
    expect(await ask(daemon, "conf", "set", "--save", "log_level", "debug")).toMatchObject({ saved: true, old_value: "trace", new_value: "debug", status: "success" });
    expect(readFileSync(daemon.configFile, "utf8")).toBe(written.replace("log_level = trace", "log_level = debug"));
    expect([statSync(daemon.configFile).mode, statSync(daemon.configFile).uid]).toEqual([mode, uid]);
    written = readFileSync(daemon.configFile, "utf8");
    expect(await walsender(one, "moneta_one")).toBe(untouched);
  });

  it("moves the log", async () => {
    const path = join(daemon.root, "tmp", "moneta.log");
    await ask(daemon, "conf", "set", "log_path", path);
    await ask(daemon, "conf", "set", "log_type", "file");
    await ask(daemon, "conf", "set", "log_format", "json");
    await waitFor("lines are there", () => readFileSync(path, "utf8").includes("log_format: text → json"));
    const lines = readFileSync(path, "utf8").trim().split("\n");
    expect(JSON.parse(lines.find((line) => line.includes("text → json")) ?? "{}")).toMatchObject({ message: expect.stringContaining("text → json") as string });
    await ask(daemon, "conf", "reload");
    expect([await get("log_type"), await get("log_format")]).toEqual(["console", "text"]);
  });

  it("never shows a secret", async () => {
    const other = "another one of them";
    const answers = [
      await daemon.cli(["conf", "get"], { format: "raw" }),
      await cli("conf", "get"),
      await cli("conf", "get", "s3_secret_access_key"),
      await daemon.cli(["conf", "set", "s3_secret_access_key", other], { format: "raw" }),
      await daemon.cli(["conf", "set", "server.one.s3_secret_access_key", `${other}\n`], { format: "raw" }),
      await daemon.cli(["conf", "reload"], { format: "raw" }),
    ];
    const text = answers.map(({ stdout, stderr }) => stdout + stderr).join("\n") + daemon.log();
    expect(answers.map(({ status }) => status === 0)).toEqual([true, true, true, true, false, true]);
    expect(text).toContain("***");
    expect([text.includes(secret), text.includes(other)]).toEqual([false, false]);
  });
});

/** Whether somebody takes connections there. */
const answersAt = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "localhost", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });

describe("listeners", () => {
  it("move to other ports, all of them or none", async () => {
    const admins = join(daemon.configDir, "pgmoneta_admins.conf");
    expect((await daemon.admin(["-f", admins, "-U", "alice", "-P", "secret of the admin", "user", "add"])).status).toBe(0);
    const before = written;
    const first = [await freePort(), await freePort(), await freePort()] as const;
    const at = ([metrics, management, nagios]: readonly number[]): string =>
      before.replace("[pgmoneta]\n", `[pgmoneta]\nmetrics = ${metrics}\nmanagement = ${management}\nnagios = ${nagios}\n`);
    const seen = (ports: readonly number[]): Promise<boolean[]> => Promise.all(ports.map(answersAt));
    const scraped = async (port: number): Promise<boolean> => (await (await fetch(`http://localhost:${port}/metrics`)).text()).includes("pgmoneta_state");
    const asked = async (port: number): Promise<number | null> =>
      (await daemon.cli(["-h", "localhost", "-p", String(port), "-U", "alice", "--tls-mode", "disable", "status"], { env: { PGMONETA_PASSWORD: "secret of the admin" } })).status;
    write(at(first));
    await ask(daemon, "conf", "reload");
    expect([await seen(first), await scraped(first[0]), await asked(first[1])]).toEqual([[true, true, true], true, 0]);

    // The last of them is taken: the two before it, which were free, are not moved either.
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, "localhost", resolve));
    const taken = (squatter.address() as { readonly port: number }).port;
    const second = [await freePort(), await freePort()] as const;
    try {
      write(at([...second, taken]));
      const { status, stderr } = await cli("conf", "reload");
      expect([status === 0, stderr.includes(String(taken))], stderr).toEqual([false, true]);
      expect([await seen(first), await seen(second), await get("metrics")]).toEqual([[true, true, true], [false, false], String(first[0])]);
    } finally {
      await new Promise((resolve) => squatter.close(resolve));
    }
    await ask(daemon, "conf", "reload");
    expect([await seen(first), await seen([...second, taken])]).toEqual([[false, false, false], [true, true, true]]);
    expect([await scraped(second[0]), await asked(second[1])]).toEqual([true, 0]);

    write(before);
    await ask(daemon, "conf", "reload");
    expect(await seen([...second, taken])).toEqual([false, false, false]);
    expect(await walsender(one, "moneta_one")).toBe(untouched);
  });
});

describe("a crash while a key is saved", () => {
  it("leaves the file as it was or as it was to be, and the next daemon runs by it", async () => {
    await load.stop();
    await ask(daemon, "conf", "set", "--save", "server.two.max_rate", "1");
    for (let round = 1; round <= 4; round += 1) {
      const before = readFileSync(daemon.configFile, "utf8");
      const after = before.replace(/(\[two\][^[]*max_rate = )\d+/, `$1${round}000000`);
      const saving = await daemon.startCli(["conf", "set", "--save", "server.two.max_rate", `${round}000000`]);
      // Somewhere between the request and the answer, which take about as long.
      await new Promise((resolve) => setTimeout(resolve, 150 + round * 70));
      await daemon.kill9();
      await saving.finished;
      const now = readFileSync(daemon.configFile, "utf8");
      expect([before, after]).toContain(now);
      await daemon.start();
      expect(await get("server.two.max_rate")).toBe(/\[two\][^[]*max_rate = (\d+)/.exec(now)?.[1]);
    }
    await ask(daemon, "conf", "set", "--save", "server.two.max_rate", "9000000");
    expect(readFileSync(daemon.configFile, "utf8")).toContain("max_rate = 9000000");
    await daemon.waitUntilStreaming("two");
  });
});
