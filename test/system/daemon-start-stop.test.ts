/** The daemon as an operator and a service manager see it: it starts, streams, answers, lives, and stops in order. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { isAlive, runOrFail } from "../support/processes.ts";
import { listenAsManager, says, type StandInManager } from "../support/service-manager.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../support/temporary-directory.ts";
import { waitFor } from "../support/wait-for.ts";
import { childrenTitled, commandLine } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
let directory: TemporaryDirectory;
let manager: StandInManager;
beforeAll(async () => {
  directory = temporaryDirectory({ unprivileged: true });
  manager = await listenAsManager(join(directory.path, "notify"));
  cluster = await createCluster();
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }], env: { NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: "1000000" } });
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
  await manager.stop();
  await directory.remove();
});

const signOfLife = says("WATCHDOG=1");

/** The words behind a program in the unit for systemd, with the directory of this daemon's configuration. */
function wordsOfUnit(line: string): string[] {
  const unit = readFileSync(join(import.meta.dirname, "../../etc/systemd/moneta.service"), "utf8");
  const words = unit.split("\n").find((one) => one.startsWith(`${line} `))?.slice(line.length + 1).split(" ") ?? [];
  expect(words).toContain("/etc/pgmoneta");
  return words.map((word) => (word === "/etc/pgmoneta" ? daemon.configDir : word));
}

describe("the daemon", () => {
  it("receives the WAL of its server and says so", async () => {
    await daemon.waitUntilStreaming("primary");
    const status = await daemon.ask(["status", "details"]);
    expect(status["NumberOfServers"]).toBe(1);
    expect(status["Servers"]).toMatchObject([
      { Server: "primary", MajorVersion: 15, Online: true, Primary: true, Checksums: true, Problems: {} },
    ]);
  });

  it("tells a service manager that it serves, that it lives, in what state it is, and of each reading of the configuration", async () => {
    const ready = await manager.heard("that it is ready", says("READY=1"));
    expect(ready).toMatch(/^READY=1\nWATCHDOG=1\nSTATUS=WAL of [01] of 1 server is received/);
    await manager.heard("that WAL is received", (datagram) => datagram.includes("STATUS=WAL of 1 of 1 server is received"));
    expect(new Set(manager.received().filter(says("READY=1")))).toEqual(new Set([ready]));
    await manager.heard("a sign of life", signOfLife, manager.received().length);
    for (const reload of [() => daemon.ask(wordsOfUnit("ExecReload=moneta-cli")), async () => daemon.signal("SIGHUP")]) {
      const before = manager.received().length;
      await reload();
      await manager.heard("the reload", (datagram) => /^RELOADING=1\nMONOTONIC_USEC=\d+\n/.test(datagram), before);
      const begun = manager.received().findIndex((datagram, index) => index >= before && says("RELOADING=1")(datagram));
      await manager.heard("its end", says("READY=1"), begun + 1);
    }
    // A child that knew the socket could speak in the name of the daemon.
    for (const pid of daemon.children()) expect(readFileSync(`/proc/${pid}/environ`, "latin1")).not.toMatch(/NOTIFY_SOCKET|WATCHDOG/);
  });

  it("gives a service manager no sign of life while it is stopped, and ends at once when that aborts it", async () => {
    const pid = daemon.pid() ?? 0;
    const marker = 'use Socket;socket(my $s,PF_UNIX,SOCK_DGRAM,0);send($s,"STATUS=marker",0,pack_sockaddr_un(shift))||die "$!"';
    daemon.signal("SIGSTOP");
    await waitFor("it stands still", () => readFileSync(`/proc/${pid}/stat`, "latin1").includes(") T "));
    // What was on its way comes first: a marker of ours is sent when nothing has come for a while.
    await waitFor("nothing comes", async () => {
      const before = manager.received().length;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return manager.received().length === before;
    });
    const before = manager.received().length;
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await runOrFail("perl", ["-e", marker, manager.socket], { unprivileged: true });
    await manager.heard("the marker", says("STATUS=marker"), before);
    expect(manager.received().slice(before)).toEqual(["STATUS=marker"]);
    daemon.signal("SIGCONT");
    await manager.heard("a sign of life", signOfLife, before + 1);
    // What systemd sends when it has waited in vain.
    const children = daemon.children();
    daemon.signal("SIGABRT");
    await waitFor("it is gone", () => daemon.pid() === undefined);
    await waitFor("its processes are gone", () => !children.some(isAlive));
    await daemon.start();
    // It answers a moment before.
    await waitFor("the PID file is replaced", () => daemon.log().includes("a PID file that was left behind is replaced"));
    await daemon.waitUntilStreaming("primary");
  });

  it("stops in order on SIGTERM, leaves no process, no socket and no PID file, and starts again", async () => {
    await daemon.waitUntilStreaming("primary");
    const pids = daemon.children();
    expect(pids.length).toBeGreaterThan(0);
    const served = manager.received().length;
    expect(await daemon.stop()).toBe(0);
    await manager.heard("the end", (datagram) => datagram === "STOPPING=1\nSTATUS=stopping: signal SIGTERM", served);
    expect(pids.filter(isAlive)).toEqual([]);
    expect(existsSync(join(daemon.socketDir, ".s.pgmoneta"))).toBe(false);
    expect(existsSync(join(daemon.socketDir, "pgmoneta.localhost.pid"))).toBe(false);
    await daemon.start();
    await daemon.waitUntilStreaming("primary");
    expect(readFileSync(join(daemon.socketDir, "pgmoneta.localhost.pid"), "utf8")).toBe(`${daemon.pid() ?? 0}\n`);
  });

  it("says in the titles of its processes what they do, unless update_process_title is off", async () => {
    await daemon.waitUntilStreaming("primary");
    expect(commandLine(daemon.pid() ?? 0)).toBe("moneta: supervisor");
    expect(childrenTitled(daemon, "moneta: receiver primary")).toHaveLength(1);
    const quiet = await createDaemon({
      servers: [{ name: "quiet", cluster }],
      settings: { update_process_title: "off" },
    });
    await quiet.waitUntilStreaming("quiet");
    expect(commandLine(quiet.pid() ?? 0)).not.toContain("moneta:");
    expect(childrenTitled(quiet, "moneta:")).toEqual([]);
    expect(childrenTitled(quiet, "receiver/main.js")).toHaveLength(1);
    await quiet.destroy();
  });
});
