/**
 * H01 and O5: kill -9 of the daemon, of one of its processes or of the primary at random instants, while rows are
 * committed that wait for the daemon as a synchronous standby, and backups, restores, deletions, archives and verifications
 * run, and while the daemon starts and stops. Each time it comes back without help, catalog and directories agree, what is listed is
 * valid, what was left over is named and gone, a restore or an archive that died can be repeated. In the end every segment is the
 * server's own, and from Moneta alone, the primary thrown away, no acknowledged row is missing.
 *
 * `npm run kill-loop -- --instants 200` runs the same for longer; with `--minutes` it ends early, and judges what it did.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { chanceFrom } from "../soak/chance.ts";
import { leavesNobody, revive, scenes, strike, type Scene } from "../soak/kill-scenes.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { countFromEnvironment, timeForAnother } from "../support/long-run.ts";
import { markersIn, startMarkerLoop, type MarkerLoop } from "../support/marker-table.ts";
import { createCluster, runOnDirectory, type Cluster } from "../support/postgres-cluster.ts";
import type { RunningProcess } from "../support/processes.ts";
import { compareWithServer, judgeBackup, judgeWal, remainsIn } from "../support/repository-judge.ts";
import { requires } from "../support/requires.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus } from "./daemon-observation.ts";

/** Each scene once; more of them by MONETA_INSTANTS. */
const instants = countFromEnvironment("MONETA_INSTANTS", scenes.length);
const chance = chanceFrom(process.env["MONETA_SEED"]);
/** After each row while nothing is struck. */
const restMs = 20;
/** So often the primary is thought away, and everything acknowledged is looked for in a restored server. */
const instantsARestore = 20;
/** Backups that may pile up before one is deleted in peace. */
const mostBackups = 6;

requires("pg_verifybackup", "pg_waldump", "zstd", "sha256sum").describe("kill -9 at random instants", () => {
  let cluster: Cluster;
  let daemon: Daemon;
  let load: MarkerLoop;
  let place: string;
  let archives: string;
  /** Never deleted, so that its WAL reaches over all instants. */
  let first: string;
  const acknowledged = new Set<string>();
  const deleted = new Set<string>();
  /** Whose deletion was asked for: until the answer it may be there, whole, or gone. */
  const doomed = new Set<string>();
  const hits = new Map<Scene, number>();
  let restoresDone = 0;
  let instantsDone = 0;

  beforeAll(async () => {
    console.log(`seed ${chance.seed}, ${instants} instants (repeat with MONETA_SEED)`);
    cluster = await createCluster({ walSegmentSize: 1024 * 1024, settings: { wal_keep_size: "30GB", max_wal_size: "200MB" } });
    daemon = await createDaemon({ servers: [{ name: "primary", cluster }] });
    await daemon.waitUntilStreaming("primary");
    first = String((await ask(daemon, "backup", "primary"))["Backup"]);
    load = await startMarkerLoop(cluster, { fillerBytes: 200 });
    await cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'moneta_primary'");
    await cluster.reload();
    await waitFor(
      "commits wait for the daemon",
      async () => (await cluster.value("SELECT sync_state FROM pg_stat_replication")) === "sync",
    );
    place = join(daemon.root, "restored");
    archives = join(daemon.root, "archives");
    for (const directory of [place, archives]) {
      await mkdir(directory);
      giveToUnprivileged(directory);
    }
  });
  afterAll(async () => {
    await load.stop();
    await daemon.destroy();
    await cluster.destroy();
  });

  const repository = (...path: readonly string[]): string => join(daemon.baseDir, "primary", ...path);
  const backups = async (): Promise<string[]> => (await readdir(repository("backup"))).sort();

  interface Listed {
    readonly Backup: string;
    readonly Valid: number;
  }
  async function listed(): Promise<readonly Listed[]> {
    return (await ask(daemon, "list-backup", "primary"))["Backups"] as Listed[];
  }

  /** How backups and WAL are stored from the next start on; pg_verifybackup can judge only one of both. */
  async function change(compression: "none" | "zstd"): Promise<void> {
    const text = await readFile(daemon.configFile, "utf8");
    await writeFile(daemon.configFile, text.replace(/^compression = .*$/m, `compression = ${compression}`));
  }

  interface Work {
    readonly clients: ReadonlyMap<string, RunningProcess>;
    /** The words of a restore that was asked for. */
    readonly restore: readonly string[] | undefined;
  }

  /** Starts what is to be struck: a deletion, a restore, a backup, which wait for each other or not. */
  async function startWork(scene: Scene): Promise<Work> {
    const candidates = (await listed()).map(({ Backup }) => Backup).filter((label) => label !== first);
    if (candidates.length > mostBackups) {
      const surplus = candidates.shift() ?? "";
      await ask(daemon, "delete", "primary", surplus);
      deleted.add(surplus);
      doomed.add(surplus);
    }
    const clients = new Map<string, RunningProcess>();
    const start = async (name: string, ...words: readonly string[]): Promise<void> => {
      clients.set(name, await daemon.startCli(words, { format: "raw" }));
    };
    const wanted = (work: Scene, share: number): boolean => scene === work || chance.below(1) < share;
    const label = candidates.length > 2 || (scene === "delete" && candidates.length > 0) ? chance.oneOf(candidates) : undefined;
    if (label !== undefined && wanted("delete", 0.4)) {
      doomed.add(label);
      await start(label, "delete", "primary", label);
    }
    let restore: string[] | undefined;
    if (wanted("restore", 0.3)) {
      restore = ["restore", ...chance.oneOf([["--copy-wal"], []]), "primary", first, place];
      await start("restore", ...restore);
    }
    if (scene === "readers") {
      await start("archive", "archive", "primary", first, archives);
      await start("verify", "verify", "primary", first);
    }
    if (scene !== "delete" && scene !== "restore" && scene !== "readers") await start("backup", "backup", "primary");
    return { clients, restore };
  }

  /** What the clients were told is a promise. */
  async function note(clients: ReadonlyMap<string, RunningProcess>): Promise<void> {
    for (const [name, client] of clients) {
      const { status, stdout } = await client.finished;
      if (status !== 0) continue;
      if (name === "backup") acknowledged.add((JSON.parse(stdout) as { Response: { Backup: string } }).Response.Backup);
      else if (!["restore", "archive", "verify"].includes(name)) deleted.add(name);
    }
  }

  /** The same restore once more: it removes what the first one left, if it was struck. */
  async function repeatRestore(words: readonly string[], at: string): Promise<void> {
    const directory = join(place, `primary-${first}`);
    const complete = existsSync(join(directory, "global", "pg_control"));
    const again = await daemon.cli(words, { format: "raw" });
    // A restore that came to its end is never overwritten.
    if (complete) expect(again.status, at).not.toBe(0);
    else expect([again.status, again.stderr], at).toEqual([0, ""]);
    expect(existsSync(join(directory, "global", "pg_control")), at).toBe(true);
    expect(existsSync(join(directory, "moneta_restore_unfinished.json")), at).toBe(false);
    await rm(directory, { recursive: true });
    expect(await readdir(place), at).toEqual([]);
    restoresDone += 1;
  }

  /** The same archive and verification once more: of one that was struck nothing is in the way, and nothing stays. */
  async function repeatReaders(at: string): Promise<void> {
    const complete = (await readdir(archives)).filter((name) => !name.endsWith(".tmp"));
    const again = await daemon.cli(["archive", "primary", first, archives], { format: "raw" });
    // One that came to its end is never written over.
    expect([at, again.status]).toEqual([at, complete.length === 0 ? 0 : 22]);
    const [archived = "", ...others] = (await readdir(archives)).sort();
    if (complete.length > 0) for (const name of others) expect([at, name]).toEqual([at, expect.stringMatching(/\.tmp$/)]);
    else expect([at, others]).toEqual([at, []]);
    expect([at, archived]).toEqual([at, expect.stringMatching(new RegExp(`^archive-primary-${first}\\.tar(\\.zstd)?$`))]);
    await rm(archives, { recursive: true });
    await mkdir(archives);
    giveToUnprivileged(archives);
    expect([at, await ask(daemon, "verify", "primary", first)]).toEqual([at, expect.objectContaining({ Restorable: true })]);
  }

  /** What would be left if the primary burnt down now. */
  async function expectEveryRow(backup: string, copyWal: boolean, offline: boolean): Promise<void> {
    const rows = [...load.acknowledged()];
    const words = ["restore", ...(copyWal ? ["--copy-wal"] : []), "primary", backup, place];
    const restored = await daemon.ask(offline ? ["--offline", "-D", daemon.configDir, ...words] : words);
    const copy = await runOnDirectory({ major: 15, dataDir: String(restored["Directory"]) });
    await waitFor("it is promoted", async () => (await copy.value("SELECT pg_is_in_recovery()")) === "f", {
      seen: () => copy.log().slice(-2000),
      // From the oldest backup it replays what all instants wrote, and fetches every segment of it.
      deadlineMs: 60_000 + instants * 5000,
    });
    const there = new Set(await markersIn(copy));
    expect(
      rows.map(({ n }) => n).filter((n) => !there.has(n)),
      `restored from the ${backup}`,
    ).toEqual([]);
    expect(Math.max(...there)).toBeLessThanOrEqual(load.attempted());
    await copy.destroy();
    await rm(String(restored["Directory"]), { recursive: true });
  }

  async function checkAll(at: string): Promise<void> {
    const seen = { seen: () => daemon.log().slice(-3000) };
    await daemon.waitUntilStreaming("primary");
    await waitFor(`nothing is left over (${at})`, async () => (await backups()).every((name) => /^\d{14}$/.test(name)), seen);
    const list = await listed();
    expect(
      list.filter(({ Valid }) => Valid !== 1),
      at,
    ).toEqual([]);
    const labels = list.map(({ Backup }) => Backup);
    expect(labels, at).toEqual(await backups());
    expect(labels, at).toEqual(
      expect.arrayContaining([first, ...[...acknowledged].filter((label) => !doomed.has(label))]),
    );
    expect(
      labels.filter((label) => deleted.has(label)),
      at,
    ).toEqual([]);
    const status = async () => {
      const { Gaps, Problems } = await serverStatus(daemon, "primary");
      return { gaps: Gaps, problems: JSON.stringify(Problems) };
    };
    let last: unknown;
    await waitFor(
      `nothing is complained of (${at})`,
      async () => {
        last = await status();
        return /^(\{\}|\[\])$/.test((last as { problems: string }).problems);
      },
      { seen: () => [last, daemon.log().slice(-2000)] },
    );
    expect(last, at).toMatchObject({ gaps: 0 });
  }

  async function strikeAndCheck(scene: Scene, at: string): Promise<void> {
    const { clients, restore } = await startWork(scene);
    load.rest(0);
    const { processes } = await strike(scene, daemon, cluster, chance);
    load.rest(restMs);
    if (processes > 0) hits.set(scene, (hits.get(scene) ?? 0) + 1);
    const left = leavesNobody.includes(scene) ? await remainsIn(repository()) : [];
    const from = daemon.log().length;
    await note(clients);
    if (daemon.pid() === undefined) await change(chance.oneOf(["none", "zstd"]));
    await revive(daemon, cluster, chance);
    await checkAll(at);
    // What lay there at the instant of the death of all was nobody's any more.
    await waitFor(
      `the log names what was left over: ${left.join(", ")} (${at})`,
      () => left.every((name) => daemon.log().slice(from).includes(name)),
      { seen: () => daemon.log().slice(from) },
    );
    if (restore !== undefined) await repeatRestore(restore, at);
    if (scene === "readers") await repeatReaders(at);
    // The load goes on as well: nobody waits for a daemon that is back.
    await load.more(3);
  }

  it(
    `leaves only what is true, ${instants} times`,
    async () => {
      let order: Scene[] = [];
      const more = timeForAnother();
      for (let instant = 0; instant < instants && more(); instant += 1) {
        if (order.length === 0) order = chance.shuffled(scenes);
        const scene = order.pop() ?? "everything";
        const at = `instant ${instant}, ${scene}, seed ${chance.seed}`;
        await strikeAndCheck(scene, at).catch((error: unknown) => {
          // Said at once: a long loop with others after it has its summary much later.
          console.error(`${at}: ${String(error).slice(0, 6000)}`);
          throw error;
        });
        instantsDone = instant + 1;
        if (instant % instantsARestore === instantsARestore - 1) {
          await expectEveryRow(chance.oneOf(["oldest", "newest"]), chance.oneOf([true, false]), false);
          console.log(`${instantsDone} instants, ${load.acknowledged().length} rows, ${(await backups()).length} backups`);
        }
      }
      const struck = [...hits].map(([scene, count]) => `${scene} ${count}`).join(", ");
      console.log(`${instantsDone} instants struck ${struck}; acknowledged ${acknowledged.size} backups, ${deleted.size} deletions; ${restoresDone} restores repeated`);
      // Fewer than each scene once are a matter of luck.
      if (instantsDone >= scenes.length) expect([...hits.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(instantsDone / 2);
      // A scene that never meets anybody is one that looks for processes by a name that they no longer have.
      if (instantsDone >= 8 * scenes.length) expect(scenes.filter((scene) => !hits.has(scene))).toEqual([]);
    },
    instants * 40_000,
  );

  it(
    "leaves backups and WAL that other tools find right, and every segment as the server has it",
    async () => {
      await change("none");
      await daemon.stop();
      await daemon.start();
      await daemon.waitUntilStreaming("primary");
      const last = await ask(daemon, "backup", "primary");
      const judges: string[] = [];
      for (const { Backup } of await listed()) judges.push(...(await judgeBackup(repository("backup", Backup))));
      expect(judges).toContain("pg_verifybackup");
      const begin = await ask(daemon, "info", "primary", first);
      const end = await ask(daemon, "info", "primary", String(last["Backup"]));
      const segments = await judgeWal(repository("wal"), position(begin, "Start"), position(end, "End"));
      expect(segments).toBeGreaterThan(instantsDone / 2);
      const compared = await compareWithServer(repository("wal"), join(cluster.dataDir, "pg_wal"));
      expect(compared.differences).toEqual([]);
      expect(compared.complete).toBeGreaterThanOrEqual(segments);
      const strangers = (await readdir(repository("wal"))).filter((name) => !/^[0-9A-F]{24}(\.zstd|\.partial)?$/.test(name));
      expect(strangers).toEqual([]);
      let unfinished: readonly string[] = [];
      await waitFor("nothing unfinished lies about", async () => (unfinished = await remainsIn(repository())).length === 0, { seen: () => unfinished });
    },
    120_000 + instants * 2000,
  );

  it("costs no acknowledged row, also when the primary dies at last", async () => {
    await load.more(20);
    await cluster.kill9();
    await daemon.kill9();
    const rows = await load.stop();
    // The oldest replays everything; the newest has its WAL fetched as PostgreSQL asks for it.
    for (const backup of ["oldest", "newest"]) await expectEveryRow(backup, backup === "oldest", true);
    expect(rows.length).toBeGreaterThan(instantsDone * 3);
  });
});

/** A position of `info`, whose halves stand in two fields. */
function position(info: Readonly<Record<string, unknown>>, which: "Start" | "End"): string {
  return [info[`${which}HiLSN`], info[`${which}LoLSN`]]
    .map((half) => Number(half).toString(16).toUpperCase())
    .join("/");
}
