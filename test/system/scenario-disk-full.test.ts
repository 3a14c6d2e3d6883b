/**
 * H03: the repository's file system gets full while WAL arrives and a backup runs. What cannot be stored fails with
 * the reason, nothing half-done is called complete, the receiver waits and acknowledges nothing more, and when there
 * is space again it all goes on by itself, without a hole. The same where the second copy of the WAL and the copies of
 * hot_standby lie, which holds up nothing but these.
 */
import { mkdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers } from "../support/marker-table.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { run, runOrFail } from "../support/processes.ts";
import { requires } from "../support/requires.ts";
import { sampleBytes } from "../support/sample-bytes.ts";
import { needsForSmallFilesystem, onSmallFilesystem, seenBy } from "../support/small-filesystem.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus } from "./daemon-observation.ts";

const segmentSize = 1024 * 1024;
/** Bytes that PostgreSQL's compression of long values cannot make smaller. */
const noise = sampleBytes(10_000, "noise").toString("hex");

requires("unshare", "cmp", ...needsForSmallFilesystem()).describe("a full file system", () => {
  let cluster: Cluster;
  let daemon: Daemon;
  /** Each on a file system of its own, too. */
  let others: { readonly copies: string; readonly second: string };
  beforeAll(async () => {
    cluster = await createCluster({ walSegmentSize: segmentSize, settings: { wal_keep_size: "200MB" } });
    daemon = await createDaemon({
      servers: [{ name: "primary", cluster, settings: { max_rate: 4_000_000 } }],
      settings: { compression: "none" },
      env: { NODE_OPTIONS: `--import ${join(import.meta.dirname, "../fixtures/quick-looks.mjs")}` },
      launcher: ({ baseDir }) => {
        others = { copies: join(baseDir, "../copies"), second: join(baseDir, "../second") };
        for (const directory of Object.values(others)) {
          mkdirSync(directory);
          giveToUnprivileged(directory);
        }
        return [...onSmallFilesystem(baseDir, "100m"), ...onSmallFilesystem(others.copies, "64m"), ...onSmallFilesystem(others.second, "64m")];
      },
    });
    await daemon.waitUntilStreaming("primary");
  });
  afterAll(async () => {
    await daemon.destroy();
    await cluster.destroy();
  });

  const place = (...path: readonly string[]): string => seenBy(daemon.pid() ?? 0, join(daemon.baseDir, ...path));
  /** As the user that the daemon runs as: nobody else is known on that file system. */
  const shell = (command: string): Promise<string> =>
    runOrFail("sh", ["-c", command, "sh", place()], { unprivileged: true });
  /** Without `mebibytes`: until nothing more goes in. */
  const fill = (mebibytes?: number): Promise<unknown> => {
    const limit = mebibytes === undefined ? "" : `count=${mebibytes * 16}`;
    const command = `dd if=/dev/zero of="$1/filler" bs=64k ${limit}`;
    return run("sh", ["-c", command, "sh", place()], { unprivileged: true });
  };
  const freeAgain = (): Promise<string> => shell('rm "$1/filler"');
  const names = async (directory: string): Promise<string[]> =>
    (await shell(`ls -A "$1/primary/${directory}"`)).split("\n").filter((name) => name !== "");

  const position = async (): Promise<bigint> => lsnOf(await cluster.value("SELECT flush_lsn FROM pg_stat_replication"));
  const codes = async (): Promise<string[]> => {
    const { Problems } = await serverStatus(daemon, "primary");
    return Array.isArray(Problems) ? Problems.map((problem: { Code: string }) => problem.Code) : [];
  };

  it("is foreseen while it fills up, in status and in the log, and no longer when it does not", async () => {
    const outlook = async (): Promise<readonly string[]> => {
      const { Problems } = await serverStatus(daemon, "primary");
      return Array.isArray(Problems) ? Problems.filter(({ Code }: { Code: string }) => Code === "SPACE_FORECAST").map(({ Message }: { Message: string }) => Message) : [];
    };
    let megabytes = 0;
    const [message = ""] = await waitFor(
      "it is foreseen",
      async () => {
        megabytes += 1;
        if (megabytes % 40 === 0) await freeAgain();
        await shell('dd if=/dev/zero bs=64k count=16 >> "$1/filler"');
        const found = await outlook();
        return found.length > 0 && found;
      },
      { seen: () => daemon.log().slice(-1500) },
    );
    expect(message).toMatch(/^the file system of ".*" is full in .* at the present rate \(.* an hour, .* are free\)$/);
    expect(Number((await daemon.look("status"))["FullInMilliseconds"] ?? 1)).toBeGreaterThanOrEqual(0);
    expect(daemon.log()).toContain("at the present rate");
    await freeAgain();
    await waitFor("nothing points to it any more", async () => (await outlook()).length === 0);
    expect(daemon.log()).toContain("does not fill up any more");
  });

  it("ends a backup with the reason and leaves nothing of it; WAL waits on the server, and goes on when there is space", async () => {
    await insertMarkers(cluster, 1, 10, noise);
    const client = await daemon.startCli(["backup", "primary"], { format: "raw" });
    await waitFor(
      "bytes of the backup arrive",
      async () => Number((await serverStatus(daemon, "primary")).Jobs[0]?.["Done"] ?? 0) > 0,
      { seen: () => daemon.log().slice(-1500) },
    );
    await fill();
    // The path, the bytes that it was about, and those that are missing, unless the last of others' were free again.
    const missing = new RegExp(`could not [a-z ]+ "${daemon.baseDir}/primary/.*" \\([0-9]+ bytes\\): .*ENOSPC.*; [0-9]+ bytes are free(, [0-9]+ are missing| now)`);
    const { status, stdout } = await client.finished;
    const { Outcome } = JSON.parse(stdout) as { Outcome: Readonly<Record<string, unknown>> };
    expect([status, Outcome]).toEqual([
      30,
      expect.objectContaining({ Status: false, Code: "STORAGE_FULL", Error: 113, Message: expect.stringMatching(missing) as unknown }),
    ]);
    await waitFor("nothing of it is left", async () => (await names("backup")).length === 0, {
      seen: () => daemon.log().slice(-1500),
    });

    await fill();
    await insertMarkers(cluster, 11, 210, noise);
    await waitFor("the receiver says why it waits", async () => (await codes()).includes("WAL_DISK_FULL"), {
      seen: () => daemon.log().slice(-1500),
    });
    const stands = await position();
    await insertMarkers(cluster, 211, 220, noise);
    // The connection is held and answered, and nothing is acknowledged that is not there.
    expect(await position()).toBe(stands);
    expect(lsnOf(await cluster.value("SELECT pg_current_wal_flush_lsn()"))).toBeGreaterThan(stands);
    const broken = await shell(
      `find "$1/primary/wal" -type f -name '????????????????????????' ! -size ${segmentSize}c`,
    );
    expect(broken).toBe("");
    const refused = await daemon.cli(["backup", "primary"], { format: "none" });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toMatch(/full|space/);

    await freeAgain();
    const end = lsnOf(await cluster.value("SELECT pg_switch_wal()"));
    await waitFor("everything is received", async () => (await position()) >= end, {
      seen: () => daemon.log().slice(-1500),
    });
    // The archiver met the full disk as well; its next attempt ends its complaint.
    await waitFor("nothing is complained of any longer", async () => (await codes()).length === 0, {
      seen: () => daemon.log().slice(-1500),
    });
  });

  it("leaves every segment as the server has it, without a hole", async () => {
    const segments = (await names("wal")).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();
    expect(segments.length).toBeGreaterThan(3);
    const first = Number.parseInt(segments[0]?.slice(16) ?? "", 16);
    expect(segments).toEqual(
      segments.map((_, index) => `0000000100000000${(first + index).toString(16).toUpperCase().padStart(8, "0")}`),
    );
    for (const name of segments) {
      await runOrFail("cmp", [place("primary", "wal", name), join(cluster.dataDir, "pg_wal", name)], {
        unprivileged: true,
      });
    }
  });

  it("is no place for a backup that cannot fit, which is said before anything is written; one that fits is taken", async () => {
    await fill(80);
    const { status, json } = await daemon.cli(["backup", "primary"], { format: "raw" });
    expect([status, json?.Outcome]).toEqual([30, expect.objectContaining({ Status: false, Code: "BACKUP_NO_SPACE" })]);
    expect(await names("backup")).toEqual([]);
    await freeAgain();
    const backup = await ask(daemon, "backup", "primary");
    expect(backup).toMatchObject({ Valid: 1 });
    expect(await names("backup")).toEqual([backup["Backup"]]);
  });

  describe("that others than the repository are on", () => {
    const seen = (path: string): string => seenBy(daemon.pid() ?? 0, path);
    const there = (command: string, path: string): Promise<string> => runOrFail("sh", ["-c", command, "sh", seen(path)], { unprivileged: true });
    /** Until nothing more goes in, but for so many bytes. */
    async function fillAllBut(path: string, left: number): Promise<void> {
      await run("sh", ["-c", 'dd if=/dev/zero of="$1/filler" bs=64k', "sh", seen(path)], { unprivileged: true });
      await there(`truncate -s -${left} "$1/filler"`, path);
    }
    const messageOf = async (code: string): Promise<string | undefined> => {
      const { Problems } = await serverStatus(daemon, "primary");
      // An empty list travels as {}.
      return Object.values(Problems as Readonly<Record<string, { readonly Code: string; readonly Message: string }>>).find(({ Code }) => Code === code)?.Message;
    };
    const content = "SELECT count(*) || ' ' || md5(string_agg(words, ',' ORDER BY n)) FROM large";
    const end = async (): Promise<bigint> => lsnOf(await cluster.value("SELECT pg_switch_wal()"));

    beforeAll(async () => {
      await cluster.sql("CREATE TABLE large AS SELECT n, repeat(md5(n::text), 25) AS words FROM generate_series(1, 12000) n");
      await daemon.appendToConfiguration(`hot_standby = ${others.copies}\nwal_shipping = ${others.second}\n`);
      await ask(daemon, "conf", "reload");
    });

    it("holds up a second copy of the WAL alone, which says what is missing, and has every segment once there is space", async () => {
      const both = async (): Promise<boolean> => {
        const segments = (await names("wal")).filter((name) => /^[0-9A-F]{24}$/.test(name));
        // The newest ones may not be finished, or be no business of the copy yet.
        const list = segments.map((name) => `cmp "$1/${name}" "$2/${name}" || exit 1`).join("\n");
        return (await run("sh", ["-c", list, "sh", place("primary", "wal"), seen(join(others.second, "primary/wal"))], { unprivileged: true })).status === 0;
      };
      await end();
      await waitFor("the copy has all that there is", both, { seen: () => daemon.log().slice(-1500) });
      await fillAllBut(others.second, 300_000);
      await insertMarkers(cluster, 301, 400, noise);
      const written = await end();
      const found = await waitFor("status tells", () => messageOf("WAL_SECOND_COPY_FAILED"), { seen: () => daemon.log().slice(-1500) });
      expect(found).toMatch(new RegExp(`"${others.second}/primary/wal/[^"]*[0-9A-F]{24}[^"]*" \\([0-9]+ bytes\\): .*ENOSPC.*; [0-9]+ bytes are free, [0-9]+ are missing`));
      // The first copy, and what PostgreSQL is told, go on.
      await waitFor("everything is received", async () => (await position()) >= written);
      expect(await codes()).not.toContain("WAL_DISK_FULL");
      // What it has under the name of a segment is that segment.
      await there(`cd "$1" && for each in ????????????????????????; do cmp "$each" "${place("primary", "wal")}/$each" || exit 1; done`, join(others.second, "primary/wal"));
      expect(await both()).toBe(false);

      await there('rm "$1/filler"', others.second);
      await waitFor("the copy has what it missed", both, { seen: () => daemon.log().slice(-1500) });
      await waitFor("status is content", async () => (await messageOf("WAL_SECOND_COPY_FAILED")) === undefined);
      expect(await there('ls -A "$1"', join(others.second, "primary/wal"))).not.toMatch(/tmp|partial/);
    });

    it("leaves a copy of hot_standby unfinished, which the answer, status and the copy itself say, until there is space", async () => {
      const copy = join(others.copies, "primary");
      const state = async () => JSON.parse(await there('cat "$1"', join(copy, "moneta_standby.json"))) as { label: string; complete: boolean };
      const sealed = async (): Promise<boolean> => (await run("test", ["-e", seen(join(copy, "global/pg_control"))], { unprivileged: true })).status === 0;
      // The repository has no room for two backups and WAL; the copy stays when its backup goes.
      await waitFor("there is a copy", async () => (await state()).complete && (await sealed()), { seen: () => daemon.log().slice(-1500) });
      await ask(daemon, "delete", "primary", "newest");
      const first = await ask(daemon, "backup", "primary");
      expect(JSON.stringify(first["Warnings"] ?? [])).not.toContain("hot standby");
      expect([await state(), await sealed()]).toMatchObject([{ complete: true, label: first["Backup"] }, true]);

      // The new file takes the place of the old one, which somebody still reads: that room does not come back, and no plan can know.
      const old = await open(seen(join(copy, await cluster.value("SELECT pg_relation_filepath('large')"))));
      await cluster.sql("VACUUM FULL large");
      await fillAllBut(others.copies, 5_000_000);
      await ask(daemon, "delete", "primary", "newest");
      const taken = await ask(daemon, "backup", "primary");
      expect(taken).toMatchObject({ Valid: 1 });
      const said = new RegExp(`the hot standbys of primary are not up to date: no space to write "${copy}/.*; the cluster needs [0-9]+ bytes, "${copy}" has [0-9]+: [0-9]+ are missing`);
      expect(JSON.stringify(taken["Warnings"])).toMatch(new RegExp(said.source.replaceAll('"', '\\\\"')));
      expect(await messageOf("RESTORE_NO_SPACE")).toMatch(said);
      expect([await state(), await sealed()]).toMatchObject([{ complete: false }, false]);
      // PostgreSQL's own word; a server would stop at the full disk before it looks.
      const looked = await run(join(cluster.binDir, "pg_controldata"), ["-D", seen(copy)], { unprivileged: true });
      expect([looked.status, looked.stderr]).toEqual([1, expect.stringMatching(/could not open file ".*global\/pg_control"/)]);

      await old.close();
      await there('rm "$1/filler"', others.copies);
      await waitFor("the copy is brought up to date by itself", async () => (await state()).complete && (await sealed()), { seen: () => daemon.log().slice(-2000) });
      expect((await state()).label).toBe(taken["Backup"]);
      await waitFor("status is content", async () => (await messageOf("RESTORE_NO_SPACE")) === undefined);
      const { path } = temporaryDirectory({ prefix: "mdf", unprivileged: true });
      await there(`cp -a "$1" "${path}/data"`, copy);
      const server = await runOnDirectory({ major: cluster.major, dataDir: join(path, "data") });
      expect(await server.value(content)).toBe(await cluster.value(content));
      await server.destroy();
    });
  });
});

function lsnOf(text: string): bigint {
  const [high = "", low = ""] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}
