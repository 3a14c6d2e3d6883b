/** Restores asked of the daemon: planned, refused, carried out, and started by PostgreSQL. */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers, markersIn, type Marker } from "../support/marker-table.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask } from "./daemon-observation.ts";

let cluster: Cluster;
let daemon: Daemon;
let later: Marker[];
let place: string;
beforeAll(async () => {
  cluster = await createCluster();
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }], settings: { encryption: "aes" } });
  await daemon.waitUntilStreaming("primary");
  await insertMarkers(cluster, 1, 10);
  await ask(daemon, "backup", "primary");
  later = await insertMarkers(cluster, 11, 20);
  await cluster.sql("DROP TABLE marker");
  const end = await cluster.value("SELECT pg_current_wal_flush_lsn()");
  const positionOf = (text: string): bigint => {
    const [high = "", low = ""] = text.split("/");
    return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
  };
  await waitFor("all of it is received", async () => {
    const [server] = (await daemon.look("status"))["Servers"] as [{ FlushedHiLSN: number; FlushedLoLSN: number }];
    return (BigInt(server.FlushedHiLSN) << 32n) + BigInt(server.FlushedLoLSN) >= positionOf(end);
  });
  place = join(daemon.root, "restored");
  await mkdir(place);
  giveToUnprivileged(place);
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

describe("a restore by the daemon", () => {
  it("is planned without writing anything", async () => {
    const position = `lsn=${later[4]?.lsn ?? ""},inclusive=off`;
    const planned = await ask(daemon, "restore", "--dry-run", "--copy-wal", "primary", "newest", position, place);
    expect(planned).toMatchObject({
      Server: "primary",
      DryRun: true,
      Directory: expect.stringContaining(place) as string,
    });
    expect(JSON.stringify(planned["Plan"])).toContain("Target:");
    expect(await readdir(place)).toEqual([]);
  });

  it("says no, also to a plan, when it could not be carried out, and leaves nothing", async () => {
    for (const [position, code] of [
      ["lsn=FFFFFF/0", "RESTORE_TARGET_UNREACHABLE"],
      ["lsn=0/1,xid=5", "RESTORE_POSITION_INVALID"],
    ] as const) {
      const refused = await daemon.cli(["restore", "--dry-run", "primary", "newest", position, place]);
      expect(refused.status).not.toBe(0);
      expect(refused.json?.Outcome).toMatchObject({ Status: false, Code: code });
    }
    // PostgreSQL would open, or follow its primary, instead of what was asked for.
    for (const position of ["action=pause", "action=shutdown", "replica,action=pause"]) {
      const refused = await daemon.cli(["restore", "primary", "newest", position, place]);
      expect(refused.json?.Outcome, position).toMatchObject({ Status: false, Code: "RESTORE_POSITION_INVALID" });
    }
    const carried = await daemon.cli(["restore", "primary", "newest", "lsn=FFFFFF/0", place]);
    expect(carried.status).not.toBe(0);
    const relative = await daemon.cli(["restore", "primary", "19990101000000", place]);
    expect(relative.json?.Outcome).toMatchObject({ Status: false, Error: 600 });
    expect(await readdir(place)).toEqual([]);
  });

  it("brings back the rows up to the moment that was asked for", async () => {
    // The position lies before the commit of the fifth row.
    const position = `lsn=${later[4]?.lsn ?? ""},action=promote`;
    const restored = await ask(daemon, "restore", "--copy-wal", "primary", "newest", position, place);
    const dataDir = String(restored["Directory"]);
    expect(existsSync(join(dataDir, "global", "pg_control"))).toBe(true);
    const copy = await runOnDirectory({ major: 15, dataDir });
    try {
      await waitFor("it is promoted", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f");
      expect(await markersIn(copy)).toEqual(Array.from({ length: 14 }, (_, index) => index + 1));
    } finally {
      await copy.destroy();
    }
  });

  it("refuses a directory that is not empty", async () => {
    const again = await daemon.cli(["restore", "--copy-wal", "primary", "newest", place]);
    expect(again.json?.Outcome).toMatchObject({ Status: false, Code: "RESTORE_DIRECTORY_REFUSED" });
    const planned = await daemon.cli(["restore", "--dry-run", "--copy-wal", "primary", "newest", place]);
    expect(planned.json?.Outcome).toMatchObject({ Status: false, Code: "RESTORE_PLAN_REFUSED" });
    const shown = await daemon.cli(["restore", "--dry-run", "--copy-wal", "primary", "newest", place], { format: "text" });
    expect(shown.status).not.toBe(0);
    expect(shown.stdout).toContain("CANNOT be carried out");
    expect(shown.stdout).toMatch(/1\. Backup: .*\n/);
    expect(shown.stdout).toMatch(/^! .*not empty/ms);
  });
});

describe("a restore without a daemon", () => {
  it("needs the repository, the configuration and the master key, and nothing else", async () => {
    await daemon.stop();
    await rm(join(daemon.configDir, "pgmoneta_users.conf"));
    const key = join(daemon.home, ".pgmoneta", "master.key");
    const offline = ["--offline", "-D", daemon.configDir, "restore"];
    const target = join(place, "offline");

    await rename(key, `${key}.away`);
    const refused = await daemon.cli([...offline, "primary", "newest", target]);
    expect(refused.json?.Outcome).toMatchObject({ Status: false, Code: "REPOSITORY_MASTER_KEY_MISSING" });
    expect(existsSync(target)).toBe(false);

    await rename(`${key}.away`, key);
    const restored = await daemon.ask([...offline, "primary", "newest", `lsn=${later[4]?.lsn ?? ""}`, target]);
    const copy = await runOnDirectory({ major: 15, dataDir: String(restored["Directory"]) });
    try {
      await waitFor("it is promoted", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f");
      expect(await markersIn(copy)).toEqual(Array.from({ length: 14 }, (_, index) => index + 1));
    } finally {
      await copy.destroy();
    }
  });
});
