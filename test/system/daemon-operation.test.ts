/** What an operator does with the daemon: modes, signals, a second daemon, the background. */
import { existsSync, readFileSync } from "node:fs";
import { appendFile, copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { isAlive, run, signalPid } from "../support/processes.ts";
import { listenAsManager, says } from "../support/service-manager.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { childrenTitled, receiverPid, serverStatus } from "./daemon-observation.ts";

const program = join(resolve(dirname(fileURLToPath(import.meta.url)), "../.."), "bin", "moneta");
const password = "a secret of 27 characters!!";

let cluster: Cluster;
let daemon: Daemon;
beforeAll(async () => {
  cluster = await createCluster();
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster, password }],
    env: {
      NODE_EXTRA_CA_CERTS: "/nonexistent.pem",
      PGPASSWORD: "of another program",
      PGMONETA_PASSWORD: "also of another",
    },
  });
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

function environ(pid: number): string {
  return readFileSync(`/proc/${pid}/environ`, "latin1");
}

describe("operating the daemon", () => {
  it("mode offline ends the receiver, is shown, survives a restart, refuses backups, and mode online undoes it", async () => {
    await daemon.waitUntilStreaming("primary");
    expect(await daemon.ask(["mode", "primary", "offline"])).toMatchObject({ Server: "primary", Online: false });
    expect(childrenTitled(daemon, "moneta: receiver")).toEqual([]);
    for (const again of [false, true]) {
      if (again) {
        await daemon.stop();
        await daemon.start();
      }
      expect(await serverStatus(daemon, "primary")).toMatchObject({
        Online: false,
        WalStreaming: false,
        Problems: [{ Code: "SERVER_OFFLINE", Message: expect.stringContaining("moneta_primary") as string }],
      });
      expect(childrenTitled(daemon, "moneta: receiver")).toEqual([]);
    }
    const refused = await daemon.cli(["backup", "primary"]);
    expect(refused.status).not.toBe(0);
    expect(refused.json?.Outcome).toMatchObject({ Status: false, Error: 110 });
    expect(await daemon.ask(["mode", "primary", "online"])).toMatchObject({ Online: true });
    await daemon.waitUntilStreaming("primary");
    await daemon.stop();
    await daemon.start();
    await daemon.waitUntilStreaming("primary");
  });

  it("refuses what it does not know with pgmoneta's numbers", async () => {
    expect((await daemon.cli(["backup", "nobody"])).json?.Outcome).toMatchObject({ Status: false, Error: 111 });
    expect((await daemon.cli(["delete", "primary", "20200101000000"])).json?.Outcome).toMatchObject({
      Status: false,
      Error: 505,
    });
    expect((await daemon.cli(["cancel", "primary"])).json?.Outcome).toMatchObject({
      Status: false,
      Code: "JOB_UNKNOWN",
    });
    expect((await daemon.cli(["cancel", "primary", "77"])).json?.Outcome).toMatchObject({
      Status: false,
      Code: "JOB_UNKNOWN",
    });
    expect(await daemon.ask(["progress", "primary", "backup"])).toMatchObject({ ProgressState: 0, Job: null });
  });

  it("lets a second daemon on the same repository fail at once, with the owner's pid, also one with a configuration of its own (K07)", async () => {
    const before = await receiverPid(daemon, "primary");
    // Another server, another slot, another socket: nothing in common but base_dir.
    const other = join(daemon.root, "other");
    await mkdir(join(other, "s"), { recursive: true });
    await copyFile(join(daemon.configDir, "pgmoneta_users.conf"), join(other, "pgmoneta_users.conf"));
    const own = (await readFile(daemon.configFile, "utf8"))
      .replace(/^unix_socket_dir = .*$/m, `unix_socket_dir = ${join(other, "s")}`)
      .replace("[primary]", "[secondary]")
      .replace(/^wal_slot = .*$/m, "wal_slot = another");
    await writeFile(join(other, "pgmoneta.conf"), own);
    giveToUnprivileged(other);
    for (const configDir of [daemon.configDir, other]) {
      const second = await run(program, ["-D", configDir], {
        env: { PATH: process.env["PATH"], HOME: daemon.home },
        unprivileged: true,
      });
      expect([second.status, second.stderr]).toEqual([12, expect.stringContaining(`pid ${daemon.pid() ?? 0}`) as string]);
    }
    expect(existsSync(join(daemon.baseDir, "secondary"))).toBe(false);
    expect(await cluster.sql("SELECT FROM pg_replication_slots WHERE slot_name = 'another'")).toEqual([]);
    expect(readFileSync(join(daemon.socketDir, "pgmoneta.localhost.pid"), "utf8").trim()).toBe(String(daemon.pid()));
    expect(await receiverPid(daemon, "primary")).toBe(before);
    await daemon.ask(["ping"]);
  });

  it("reads its configuration again on SIGHUP, opens its log again, and ignores SIGUSR1 and SIGUSR2", async () => {
    const pids = [daemon.pid() ?? 0, await receiverPid(daemon, "primary")];
    for (const pid of pids) for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const) signalPid(pid, signal);
    await waitFor(
      "the signals are in the log",
      () => daemon.log().includes("the configuration was read again and is in force") && daemon.log().includes("SIGUSR2 is ignored"),
    );
    await daemon.ask(["ping"]);
    expect(pids).toEqual([daemon.pid(), await receiverPid(daemon, "primary")]);
    expect(daemon.log()).not.toContain("Debugger listening");
  });

  it("keeps secrets out of arguments, environments and the log, and the surroundings away from its children", async () => {
    const pid = await receiverPid(daemon, "primary");
    const everything = [readFileSync(`/proc/${pid}/cmdline`, "latin1"), environ(pid)].join("\n");
    for (const secret of [password, "of another program", "also of another", "NODE_EXTRA_CA_CERTS", "PGPASSWORD"]) {
      expect(everything).not.toContain(secret);
    }
    expect(environ(daemon.pid() ?? 0)).not.toContain(password);
    expect(daemon.log()).not.toContain(password);
  });

  it("goes down in order when its whole process group is signalled, as a terminal and service managers do", async () => {
    await daemon.waitUntilStreaming("primary");
    const children = daemon.children();
    for (const pid of children) signalPid(pid, "SIGTERM");
    for (const pid of children) signalPid(pid, "SIGINT");
    expect(await daemon.stop()).toBe(0);
    expect(daemon.log()).not.toContain("ended with signal");
    expect(children.filter(isAlive)).toEqual([]);
    await daemon.start();
  });

  it("answers shutdown before it goes", async () => {
    const { status, json } = await daemon.cli(["shutdown"]);
    expect([status, json?.Outcome.Status]).toEqual([0, true]);
    await waitFor("the daemon is gone", () => daemon.pid() === undefined);
    expect(existsSync(join(daemon.socketDir, ".s.pgmoneta"))).toBe(false);
  });

  it("prints its version and help with status 0 and refuses an unknown option with 78", async () => {
    const version = await run(program, ["-V"], { env: { PATH: process.env["PATH"] }, unprivileged: true });
    expect([version.status, version.stdout]).toEqual([0, expect.stringMatching(/^moneta \d+\.\d+\.\d+\n$/)]);
    const help = await run(program, ["-?"], { env: { PATH: process.env["PATH"] }, unprivileged: true });
    expect(help.status).toBe(0);
    for (const option of ["-c", "-u", "-A", "-D", "-d", "-V", "-?"]) expect(help.stdout).toContain(option);
    const wrong = await run(program, ["--surprise"], { env: { PATH: process.env["PATH"] }, unprivileged: true });
    expect(wrong.status).toBe(78);
  });

  it("refuses the background without a log to write to, and a configuration that is wrong, before anything starts", async () => {
    const env = { PATH: process.env["PATH"], HOME: daemon.home };
    const console = await run(program, ["-d", "-D", daemon.configDir], { env, unprivileged: true });
    expect([console.status, console.stderr]).toEqual([1, expect.stringContaining("log_type")]);
    const content = await readFile(daemon.configFile, "utf8");
    await appendFile(daemon.configFile, "\n[broken]\nhost = /tmp\n");
    const manager = await listenAsManager(join(daemon.root, "early"));
    const broken = await run(program, ["-D", daemon.configDir], { env: { ...env, NOTIFY_SOCKET: manager.socket }, unprivileged: true });
    expect(broken.status).toBe(78);
    expect(broken.stderr).toContain("pgmoneta.conf");
    await manager.heard("why", (datagram) => /^STATUS=does not start: CONFIGURATION_INVALID: .*pgmoneta\.conf:\d+: /.test(datagram));
    expect(manager.received()).toHaveLength(1);
    await manager.stop();
    expect((await run(program, ["-d", "-D", daemon.configDir], { env, unprivileged: true })).status).toBe(78);
    await writeFile(daemon.configFile, content);
  });

  it("runs in the background in a session of its own, says so only once it answers, and stops by its PID file", async () => {
    const log = join(daemon.root, "moneta.log");
    const content = (await readFile(daemon.configFile, "utf8")).replace(
      "log_type = console",
      `log_type = file\nlog_path = ${log}`,
    );
    await writeFile(daemon.configFile, content);
    giveToUnprivileged(daemon.configFile);
    const manager = await listenAsManager(join(daemon.root, "notify"));
    const env = { PATH: process.env["PATH"], HOME: daemon.home, NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: "1000000" };
    const started = await run(program, ["-d", "-D", daemon.configDir], { env, unprivileged: true });
    expect(started).toMatchObject({ status: 0, stderr: "" });
    const pid = Number(readFileSync(join(daemon.socketDir, "pgmoneta.localhost.pid"), "utf8"));
    try {
      expect(started.stdout).toContain(`pid ${pid}`);
      expect((await daemon.cli(["ping"])).status).toBe(0);
      // proc(5), after the name: state, parent, group, session.
      const [, parent, group, session] =
        readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ").map(Number) ?? [];
      expect([group, session]).toEqual([pid, pid]);
      expect(parent).not.toBe(process.pid);
      // Told before the first process ends, so that a service manager knows whom to look after then.
      expect(await manager.heard("that it is ready", says("READY=1"))).toContain(`MAINPID=${pid}\nREADY=1\nWATCHDOG=1\n`);
      const again = await run(program, ["-d", "-D", daemon.configDir], { env, unprivileged: true });
      expect([again.status, again.stderr]).toEqual([12, expect.stringContaining(`pid ${pid}`)]);
    } finally {
      signalPid(pid, "SIGTERM");
      await waitFor("the daemon in the background is gone", () => !isAlive(pid));
    }
    expect(readFileSync(log, "utf8")).toContain("stopped");
    await manager.heard("the end", says("STOPPING=1"));
    await manager.stop();
    expect(existsSync(join(daemon.socketDir, "pgmoneta.localhost.pid"))).toBe(false);
  });
});
