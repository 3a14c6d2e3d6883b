/**
 * Retention with a real server: what it says it does, what it leaves can be restored, and killed at any instant it
 * leaves a repository whose catalog and files agree (E05 to E08).
 */
import { readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { countFromEnvironment } from "../support/long-run.ts";
import { insertMarkers, markersIn } from "../support/marker-table.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { judgeBackup, remainsIn, segmentsIn } from "../support/repository-judge.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus } from "./daemon-observation.ts";

/** More of them by MONETA_INSTANTS. */
const instants = countFromEnvironment("MONETA_INSTANTS", 2);
let cluster: Cluster;
let daemon: Daemon;
let markers = 0;

beforeAll(async () => {
  cluster = await createCluster({ walSegmentSize: 1024 * 1024 });
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster }],
    settings: { retention: "count:2", retention_interval: 2_000_000 },
  });
  await daemon.waitUntilStreaming("primary");
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

const repository = (...path: readonly string[]): string => join(daemon.baseDir, "primary", ...path);
const labelsOnDisk = async (): Promise<string[]> => (await readdir(repository("backup"))).sort();
const listed = async (): Promise<string[]> =>
  ((await ask(daemon, "list-backup", "primary"))["Backups"] as { Backup: string }[]).map(({ Backup }) => Backup).sort();

/** A backup with a few rows and segments before it. */
async function backup(): Promise<string> {
  for (let round = 0; round < 3; round += 1) {
    markers += 1;
    await insertMarkers(cluster, markers, markers);
    await cluster.sql("SELECT pg_switch_wal()");
  }
  return String((await ask(daemon, "backup", "primary"))["Backup"]);
}

async function archived(): Promise<void> {
  await waitFor("everything that is complete is archived", async () =>
    (await readdir(repository("wal"))).every((name) => !/^[0-9A-F]{24}$/.test(name)),
  );
}

/** Starts what `restore` made of the repository and returns the markers in it. */
async function restored(label: string, position?: string): Promise<readonly number[]> {
  const words = ["restore", "primary", label, ...(position === undefined ? [] : [position]), join(daemon.root, "tmp")];
  const { Directory } = await ask(daemon, ...words);
  const copy = await runOnDirectory({ major: 15, dataDir: String(Directory) });
  await waitFor("recovery is over", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f");
  const found = await markersIn(copy);
  await copy.destroy();
  return found;
}

/** Bytes of the stored files of all backups, each counted once whatever names it has. */
async function bytesOnDisk(): Promise<number> {
  const files = new Map<number, number>();
  for (const label of await labelsOnDisk()) {
    for (const entry of await readdir(repository("backup", label), { recursive: true, withFileTypes: true })) {
      // A few lines that no figure counts.
      if (!entry.isFile() || entry.name === "backup.info") continue;
      const { ino, size } = await stat(join(entry.parentPath, entry.name));
      files.set(ino, size);
    }
  }
  return [...files.values()].reduce((sum, size) => sum + size, 0);
}

interface Answer {
  readonly FreedSize: number;
  readonly NumberOfDeleted: number;
  readonly Backups: readonly { readonly Backup: string; readonly Action: string; readonly Reason: string }[];
  readonly WAL: readonly { readonly Files: number }[];
}
const retention = async (...words: readonly string[]): Promise<Answer> =>
  (await ask(daemon, "retention", ...words, "primary")) as unknown as Answer;
const actions = ({ Backups }: Answer): string[] => Backups.map(({ Action }) => Action);

describe("retention", () => {
  let labels: string[];
  let moment: string;

  it("keeps all WAL of a new repository, and says so (E06)", async () => {
    labels = [await backup()];
    await archived();
    const before = await segmentsIn(repository("wal"));
    const answer = await retention();
    expect([actions(answer), answer.WAL]).toEqual([["keep"], {}]);
    expect(await segmentsIn(repository("wal"))).toEqual(before);
  });

  it("leaves alone what is retained, which a deletion refuses too; comments are kept with it", async () => {
    const [first = ""] = labels;
    labels.push(await backup(), await backup());
    moment = await cluster.value("SELECT now()");
    labels.push(await backup());
    expect(await ask(daemon, "retain", "primary", "oldest")).toMatchObject({
      Backups: [first],
      Keep: true,
      Cascade: false,
    });
    expect((await daemon.cli(["delete", "primary", first])).json?.Outcome).toMatchObject({ Status: false, Error: 506 });
    expect(await ask(daemon, "annotate", "primary", first, "add", "why", "before the upgrade")).toMatchObject({
      Comments: "why|before the upgrade",
      Keep: true,
    });
    expect((await daemon.cli(["annotate", "primary", first, "add", "why", "again"])).json?.Outcome).toMatchObject({
      Status: false,
      Error: 2503,
      Code: "COMMENT_EXISTS",
    });
    expect(await ask(daemon, "info", "primary", first)).toMatchObject({ Comments: "why|before the upgrade" });
    const shown = await retention("--dry-run");
    expect(actions(shown)).toEqual(["keep", "delete", "keep", "keep"]);
    expect(shown.Backups[0]?.Reason).toBe("retained");
    expect(await ask(daemon, "expunge", "primary", first)).toMatchObject({ Backups: [first], Keep: false });
  });

  it("removes what its preview said, offline and online, and no more: the rest restores to a moment and to the end", async () => {
    await archived();
    const before = [await labelsOnDisk(), await segmentsIn(repository("wal"))] as const;
    const preview = await retention("--dry-run");
    const offline = await daemon.cli(["--offline", "-D", daemon.configDir, "retention", "--dry-run", "primary"], {
      format: "raw",
    });
    expect(offline.json?.Response["Backups"]).toEqual(preview.Backups);
    expect(offline.json?.Response["WAL"]).toEqual(preview.WAL);
    expect([await labelsOnDisk(), await segmentsIn(repository("wal"))]).toEqual(before);
    expect(offline.json?.Response["FreedSize"]).toBe(preview.FreedSize);
    expect((await daemon.cli(["retention", "--dry-run", "primary"], { format: "text" })).stdout).toMatch(/2 backups would go \(.* freed\)/);
    const stored = await bytesOnDisk();

    const done = await retention();
    expect(done.Backups).toEqual(preview.Backups);
    expect(done.WAL).toEqual(preview.WAL);
    expect(actions(done)).toEqual(["delete", "delete", "keep", "keep"]);
    expect(await labelsOnDisk()).toEqual(labels.slice(2));
    // Most files have names in backups that stay.
    expect(stored - (await bytesOnDisk())).toBe(preview.FreedSize);
    expect(done.FreedSize).toBe(preview.FreedSize);
    expect(await listed()).toEqual(labels.slice(2));
    // From the first segment of the oldest backup on everything is there, and nothing before it.
    const firstSegment = String((await ask(daemon, "info", "primary", labels[2] ?? ""))["WAL"]);
    const left = await segmentsIn(repository("wal"));
    expect(left).toEqual(before[1].filter((name) => name >= firstSegment));
    expect(left.length).toBeLessThan(before[1].length);
    expect(done.WAL[0]?.Files).toBe(before[1].length - left.length);
    expect((await retention()).NumberOfDeleted).toBe(0);

    const all = await markersIn(cluster);
    const upToMoment = all.filter((n) => n <= 9);
    expect(await restored(labels[2] ?? "", `time=${moment}`)).toEqual(upToMoment);
    expect(await restored(labels[3] ?? "")).toEqual(all);
  });

  it("is no gap for a receiver that comes back", async () => {
    await ask(daemon, "mode", "primary", "offline");
    await ask(daemon, "mode", "primary", "online");
    await daemon.waitUntilStreaming("primary");
    expect(await serverStatus(daemon, "primary")).toMatchObject({ Gaps: 0 });
    expect(daemon.log()).not.toMatch(/is missing: segments that were stored before/);
  });

  it("killed at any instant leaves a catalog and files that agree, and goes on at the next run (E08)", async () => {
    const survivors = labels.slice(2);
    for (let round = 0; round < instants; round += 1) {
      // From before the first removal to after the last one.
      const pause = 40 + (round * 220) / Math.max(1, instants - 1);
      const added = await backup();
      survivors.push(added);
      await archived();
      const doomed = survivors[0] ?? "";
      const words = round % 2 === 0 ? ["retention", "primary"] : ["delete", "primary", doomed];
      const client = await daemon.startCli(words, { format: "raw" });
      // Whatever it is doing then: what has to hold afterwards holds at every instant.
      await new Promise((resolve) => setTimeout(resolve, pause));
      await daemon.kill9();
      const { status } = await client.finished;
      await daemon.start();
      await daemon.waitUntilStreaming("primary");
      await waitFor("nothing is left over", async () => (await remainsIn(repository())).length === 0);
      const there = await listed();
      expect(await labelsOnDisk(), `round ${round}`).toEqual(there);
      if (status === 0) expect(there, `round ${round}`).not.toContain(doomed);
      for (const label of there) await judgeBackup(repository("backup", label));
      await retention();
      survivors.splice(0, survivors.length, ...(await listed()));
      expect(survivors, `round ${round}`).toHaveLength(2);
      expect(survivors).toContain(added);
    }
    expect(await serverStatus(daemon, "primary")).toMatchObject({ Gaps: 0 });
    expect(await restored(survivors[0] ?? "")).toEqual(await markersIn(cluster));
    labels = survivors;
  });

  it("runs by itself, for a server that is offline too", async () => {
    await ask(daemon, "mode", "primary", "offline");
    await daemon.stop();
    const text = await readFile(daemon.configFile, "utf8");
    await writeFile(
      daemon.configFile,
      text
        .replace(/^retention = .*$/m, "retention = count:1")
        .replace(/^retention_interval = .*$/m, "retention_interval = 1"),
    );
    await daemon.start();
    await waitFor("one backup is left", async () => (await labelsOnDisk()).length === 1, {
      seen: () => daemon.log().slice(-1500),
    });
    expect(await labelsOnDisk()).toEqual(labels.slice(1));
  });
});
