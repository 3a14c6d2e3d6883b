/** The daemon as an operator sees it: it starts, streams, answers, and stops in order. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { isAlive } from "../support/processes.ts";
import { childrenTitled, commandLine } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
beforeAll(async () => {
  cluster = await createCluster();
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }] });
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

describe("the daemon", () => {
  it("receives the WAL of its server and says so", async () => {
    await daemon.waitUntilStreaming("primary");
    const status = await daemon.ask(["status", "details"]);
    expect(status["NumberOfServers"]).toBe(1);
    expect(status["Servers"]).toMatchObject([
      { Server: "primary", MajorVersion: 15, Online: true, Primary: true, Checksums: true, Problems: {} },
    ]);
  });

  it("stops in order on SIGTERM, leaves no process, no socket and no PID file, and starts again", async () => {
    await daemon.waitUntilStreaming("primary");
    const pids = daemon.children();
    expect(pids.length).toBeGreaterThan(0);
    expect(await daemon.stop()).toBe(0);
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
