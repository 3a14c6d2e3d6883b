/** Deaths that nobody ordered: of a receiver, of the supervisor, of everything at once. */
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { isAlive, signalPid } from "../support/processes.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { receiverPid, serverStatus } from "./daemon-observation.ts";

let clusters: Cluster[];
let daemon: Daemon;
beforeAll(async () => {
  clusters = await Promise.all([createCluster(), createCluster({ ownIdentity: true })]);
  daemon = await createDaemon({ servers: clusters.map((cluster, index) => ({ name: `server${index + 1}`, cluster })) });
});
afterAll(async () => {
  await daemon.destroy();
  await Promise.all(clusters.map((cluster) => cluster.destroy()));
});

const bothStream = async (): Promise<void> => {
  for (const name of ["server1", "server2"]) await daemon.waitUntilStreaming(name);
};

describe("the death of a process", () => {
  it("of a receiver is noticed and mended, and the other receiver never hears of it", async () => {
    await bothStream();
    const [dead, other] = await Promise.all([receiverPid(daemon, "server1"), receiverPid(daemon, "server2")]);
    signalPid(dead, "SIGKILL");
    await waitFor("another receiver of server1 streams", async () => {
      const pid = await receiverPid(daemon, "server1").catch(() => undefined);
      return pid !== undefined && pid !== dead && (await serverStatus(daemon, "server1")).WalStreaming;
    });
    expect(await receiverPid(daemon, "server2")).toBe(other);
    expect(daemon.log()).toContain("receiver of server1 ended with signal SIGKILL");
    expect(await serverStatus(daemon, "server1")).toMatchObject({ WalStreaming: true, Problems: {} });
  });

  it("of the supervisor leaves no orphan, and the next daemon takes over what it left", async () => {
    await bothStream();
    const left = await daemon.killSupervisor();
    expect(left.length).toBeGreaterThanOrEqual(2);
    // Started while children of the old one may still run: it waits for them instead of working beside them.
    await daemon.start();
    expect(left.filter(isAlive)).toEqual([]);
    await bothStream();
  });

  it("of the supervisor ends its children by itself, without a next daemon", async () => {
    await bothStream();
    const left = await daemon.killSupervisor();
    await waitFor("the children are gone", () => !left.some(isAlive));
    await daemon.start();
    await bothStream();
  });

  it("of everything at once stands in nobody's way: PID file, socket and lock of the dead are replaced", async () => {
    await bothStream();
    await daemon.kill9();
    expect(existsSync(join(daemon.socketDir, ".s.pgmoneta"))).toBe(true);
    expect(existsSync(join(daemon.socketDir, "pgmoneta.localhost.pid"))).toBe(true);
    await daemon.start();
    expect(daemon.log()).toContain("a PID file that was left behind is replaced");
    await bothStream();
  });

  it("leaves remains that the next start removes and names, and nothing else", async () => {
    await daemon.stop();
    const backups = join(daemon.baseDir, "server1", "backup");
    const [unfinished, hidden] = [join(backups, ".tmp_20260101000000"), join(backups, ".del_20260102000000")];
    for (const directory of [unfinished, hidden]) {
      await mkdir(join(directory, "data"), { recursive: true });
      await writeFile(join(directory, "data", "file"), "x");
    }
    const file = join(daemon.baseDir, "server1", "wal", "000000010000000000000001.zstd.tmp");
    await writeFile(file, "x");
    giveToUnprivileged(join(daemon.baseDir, "server1"));
    const before = (await readdir(join(daemon.baseDir, "server1", "wal"))).filter((name) => !name.endsWith(".tmp"));
    await daemon.start();
    const names = [".tmp_20260101000000", ".del_20260102000000", "000000010000000000000001.zstd.tmp"];
    await waitFor("the remains are named in the log", () => names.every((name) => daemon.log().includes(name)), {
      seen: () => daemon.log().slice(-2000),
    });
    expect([unfinished, hidden, file].filter((path) => existsSync(path))).toEqual([]);
    expect(await readdir(join(daemon.baseDir, "server1", "wal"))).toEqual(expect.arrayContaining(before));
  });
});
