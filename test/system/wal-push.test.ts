/**
 * B09: archive_command brings WAL beside the stream and instead of it. The same content is one copy, another content is
 * refused and told, and what was brought is restored. J07: who pushes cannot write over what is stored (its second test; every
 * name and content that comes to mind: test/unit/wal/push-wal.test.ts).
 */
import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { insertMarkers, markersIn } from "../support/marker-table.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask } from "./daemon-observation.ts";

const program = resolve(import.meta.dirname, "../../bin/moneta-cli");
let cluster: Cluster;
let daemon: Daemon;

beforeAll(async () => {
  cluster = await createCluster({ walSegmentSize: 1024 * 1024, settings: { archive_mode: "on", archive_command: "/bin/false" } });
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }], settings: { encryption: "aes" } });
  await daemon.waitUntilStreaming("primary");
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

const wal = (...path: readonly string[]): string => join(daemon.baseDir, "primary/wal", ...path);
const archived = (segment: string): string => wal(`${segment}.zstd.aes`);
const environment = () => ({ PATH: process.env["PATH"] ?? "", HOME: daemon.home });
const words = (...more: readonly string[]) => ["wal-push", "-D", daemon.configDir, ...more];

async function archiveWith(command: string): Promise<void> {
  await cluster.sql(`ALTER SYSTEM SET archive_command = '${command.replaceAll("'", "''")}'`);
  await cluster.sql("SELECT pg_reload_conf()");
}

/** As an operator writes it, with what the environment of a service lacks. */
const command = (...more: readonly string[]): string =>
  `HOME='${daemon.home}' '${process.execPath}' '${program}' ${words(...more).map((word) => (word.startsWith("%") ? word : `'${word}'`)).join(" ")}`;

/** Ends a segment and waits until PostgreSQL was told that it is archived. */
async function finishSegment(): Promise<string> {
  // So that there is something to end.
  await cluster.sql("SELECT txid_current()");
  const name = await cluster.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
  await cluster.sql("SELECT pg_switch_wal()");
  await waitFor(
    "PostgreSQL is told that the segment is archived",
    async () => (await cluster.value(`SELECT coalesce(last_archived_wal, '') >= '${name}' FROM pg_stat_archiver`)) === "t",
    { everyMs: 200, seen: () => daemon.log().slice(-2000) },
  );
  return name;
}

/** What holds WAL of a segment; PostgreSQL's note on a backup that began in it holds none. */
const namesOf = async (segment: string): Promise<string[]> =>
  (await readdir(wal())).filter((name) => name.startsWith(segment) && !name.endsWith(".backup"));
const problems = async (): Promise<string[]> => {
  const [server] = (await daemon.look("status"))["Servers"] as [{ Problems: Readonly<Record<string, { Code: string }>> }];
  return Object.values(server.Problems).map(({ Code }) => Code);
};

describe("archive_command beside the stream", () => {
  it("leaves one copy of each segment, whoever was quicker", async () => {
    await insertMarkers(cluster, 1, 10);
    await ask(daemon, "backup", "primary");
    // Everything that waited since the start comes at once.
    await archiveWith(command("primary", "%p"));
    const segments = [await finishSegment()];
    await insertMarkers(cluster, 11, 20);
    segments.push(await finishSegment());
    for (const segment of segments) {
      let last: readonly string[] = [];
      await waitFor(
        "there is one copy of it, in its final form",
        async () => {
          last = await namesOf(segment);
          return String(last) === `${segment}.zstd.aes`;
        },
        { everyMs: 200, seen: () => [last, daemon.log().slice(-2000)] },
      );
    }
    expect(await problems()).not.toContain("WAL_SEGMENT_CONFLICT");
  });

  it("refuses another content, keeps what is stored, ends with a status at which PostgreSQL tries again, and says so", async () => {
    const segment = await finishSegment();
    await waitFor("it is archived", () => existsSync(archived(segment)));
    const before = readFileSync(archived(segment));
    const other = join(daemon.root, segment);
    const own = readFileSync(join(cluster.dataDir, "pg_wal", segment));
    // The server recycles its own some day.
    const kept = join(daemon.root, "kept", segment);
    await mkdir(join(daemon.root, "kept"));
    await writeFile(kept, own);
    giveToUnprivileged(join(daemon.root, "kept"));
    own[own.length - 1] = (own[own.length - 1] ?? 0) ^ 1;
    await writeFile(other, own);
    giveToUnprivileged(other);
    const refused = await daemon.cli(words("primary", other), { format: "none", env: environment() });
    expect([refused.status, refused.stderr]).toEqual([71, expect.stringContaining("WAL_SEGMENT_CONFLICT") as string]);
    expect(readFileSync(archived(segment)).equals(before)).toBe(true);
    await waitFor("status has it", async () => (await problems()).includes("WAL_SEGMENT_CONFLICT"), { everyMs: 500 });
    expect(daemon.log()).toContain(`archive_command of primary: segment ${segment}`);
    // The right content, once more, and it is over; from standard input, as through ssh.
    const right = await daemon.cli(words("--stdin", "primary", segment), {
      format: "none",
      env: environment(),
      input: readFileSync(kept).toString("latin1"),
    });
    // The bytes of this input are text: what arrives is not the segment, and that is noticed.
    expect(right.status).toBe(72);
    const again = await daemon.cli(words(kept), { format: "none", env: environment() });
    expect([again.status, again.stdout, again.stderr]).toEqual([0, "", ""]);
    await waitFor("it is over", async () => !(await problems()).includes("WAL_SEGMENT_CONFLICT"), { everyMs: 500 });
  });

  it("says what is wrong with a call, and never 0", async () => {
    for (const [call, status] of [
      [words("nobody", "x"), 2],
      [words("primary", "/nowhere/000000010000000000000001"), 2],
      [words("primary", daemon.configFile), 72],
      [words("a", "b", "c"), 2],
      [["wal-push"], 2],
    ] as const) {
      const done = await daemon.cli(call, { format: "none", env: environment() });
      expect([done.status, done.stderr === ""], call.join(" ")).toEqual([status, false]);
    }
  });
});

describe("archive_command instead of the stream", () => {
  it("brings WAL while the server is offline and while there is no daemon at all, and it is restored", async () => {
    const partials = async (): Promise<string[]> => (await readdir(wal())).filter((name) => name.endsWith(".partial"));
    await cluster.sql("SELECT pg_logical_emit_message(true, 'begins', 'the segment')");
    await waitFor("the beginning of the segment is received", async () => (await partials()).length === 1);
    await ask(daemon, "mode", "primary", "offline");
    await insertMarkers(cluster, 21, 30);
    const begun = await partials();
    expect(begun).toHaveLength(1);
    const first = await finishSegment();
    expect(begun).toEqual([`${first}.partial`]);
    // What was received of it is not wanted any more, and is in clear.
    await waitFor("it is gone", async () => (await problems()) && (await namesOf(first)).join() === `${first}.zstd.aes`, {
      everyMs: 500,
      seen: () => daemon.log().slice(-2000),
    });
    await daemon.stop();
    await insertMarkers(cluster, 31, 40);
    // Through a pipe, as ssh would bring it.
    await archiveWith(`${command("--stdin", "primary", "%f")} < %p`);
    const second = await finishSegment();
    for (const segment of [first, second]) {
      expect(existsSync(archived(segment))).toBe(true);
      // No clear text of it is left.
      expect(await namesOf(segment)).toEqual([`${segment}.zstd.aes`]);
    }
    const place = join(daemon.root, "restored");
    await mkdir(place);
    giveToUnprivileged(place);
    const { Directory } = await daemon.ask(["--offline", "-D", daemon.configDir, "restore", "primary", "newest", place]);
    const copy = await runOnDirectory({ major: 15, dataDir: String(Directory) });
    try {
      await waitFor("it is promoted", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f");
      expect(await markersIn(copy)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    } finally {
      await copy.destroy();
    }
  });

  it("a stream that goes on afterwards takes over where the pushed segments end", async () => {
    await archiveWith("/bin/false");
    await daemon.start();
    await ask(daemon, "mode", "primary", "online");
    await daemon.waitUntilStreaming("primary");
    await insertMarkers(cluster, 41, 45);
    const name = await cluster.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    await cluster.sql("SELECT pg_switch_wal()");
    await waitFor("what is streamed is archived", () => existsSync(archived(name)), { seen: () => daemon.log().slice(-3000) });
    expect(await problems()).not.toContain("WAL_GAP");
  });

  it("closes a gap: what the slot lost comes with archive_command, and the alarm ends", async () => {
    await daemon.stop();
    await insertMarkers(cluster, 46, 50);
    await cluster.sql("SELECT pg_switch_wal()");
    await insertMarkers(cluster, 51, 55);
    await cluster.sql("SELECT pg_switch_wal()");
    // As after max_slot_wal_keep_size: the server keeps it only for archive_command, and the receiver finds it gone.
    const missing = (await readdir(join(cluster.dataDir, "pg_wal"))).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();
    await cluster.sql("SELECT txid_current()");
    const newest = await cluster.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    const aside = join(daemon.root, "aside");
    await mkdir(aside);
    const stored = new Set(await readdir(wal()));
    const gone = missing.filter((name) => name < newest && !stored.has(`${name}.zstd.aes`));
    for (const name of gone) {
      await copyFile(join(cluster.dataDir, "pg_wal", name), join(aside, name));
      giveToUnprivileged(join(aside, name));
      await rm(join(cluster.dataDir, "pg_wal", name));
    }
    expect(gone.length).toBeGreaterThan(1);
    await daemon.start();
    await waitFor("the gap is known", async () => (await problems()).some((code) => code.includes("GAP")), { seen: () => daemon.log().slice(-3000) });
    for (const name of gone) {
      const done = await daemon.cli(words("primary", join(aside, name)), { format: "none", env: environment() });
      expect([done.status, done.stderr]).toEqual([0, ""]);
    }
    expect(JSON.parse(await readFile(join(daemon.baseDir, "primary/wal_gaps.json"), "utf8"))).toMatchObject({ gaps: [] });
    await waitFor("the alarm ends", async () => !(await problems()).some((code) => code.includes("GAP")), { everyMs: 500 });
  });
});
