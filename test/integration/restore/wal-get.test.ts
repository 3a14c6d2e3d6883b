import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { fetchWal, prefetchWal, recoveryPlanFile } from "../../../src/restore/index.ts";
import { systemClock, type Clock } from "../../../src/common/index.ts";
import { createMasterKey, readMasterKey } from "../../../src/vault/index.ts";
import { insertMarkers, markersIn } from "../../support/marker-table.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { startProcess } from "../../support/processes.ts";
import { createRig, program, promoted, startOn, type Rig } from "./rig.ts";

const segmentSize = 1024 * 1024;
let source: Cluster;
let rig: Rig;
let data: string;
let keyFile: string;
/** Rows that the source had when the restore was planned. */
let rows: number[] = [];

const walFile = (name: string): string => `${rig.storage.absolutePath("primary/wal")}/${name}`;
const stored = (): string[] => readdirSync(rig.storage.absolutePath("primary/wal")).sort();
/** The archived segments that the recovery needs, oldest first. */
const archived = (): string[] => stored().filter((name) => name.endsWith(".zstd.aes") && plain(name) >= first);
let first = "";
const plain = (name: string): string => name.slice(0, 24);

/** `onAhead` as the command line has it: only then is a process that keeps segments ready made use of. */
async function fetch(name: string, onAhead?: () => void): Promise<{ answer: string; bytes: Buffer }> {
  const destination = join(temporaryDirectory().path, "RECOVERYXLOG");
  const answer = await fetchWal({ plan: join(data, recoveryPlanFile), name, destination, onAhead });
  return { answer, bytes: answer === "delivered" ? readFileSync(destination) : Buffer.alloc(0) };
}

/** Does something to a file and takes it back afterwards. */
async function withChanged<T>(path: string, change: (bytes: Buffer) => Buffer | undefined, step: () => Promise<T>): Promise<T> {
  const whole = readFileSync(path);
  const { mode } = statSync(path);
  const changed = change(Buffer.from(whole));
  renameSync(path, `${path}-aside`);
  if (changed !== undefined) writeFileSync(path, changed, { mode });
  try {
    return await step();
  } finally {
    renameSync(`${path}-aside`, path);
  }
}

const flipAt = (where: (size: number) => number) => (bytes: Buffer): Buffer => {
  const at = where(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  return bytes;
};

beforeAll(async () => {
  const home = join(temporaryDirectory().path, "keys");
  mkdirSync(home, { mode: 0o700 });
  keyFile = join(home, "master.key");
  await createMasterKey(keyFile, randomBytes(16).toString("hex"));
  const masterKey = await readMasterKey(keyFile);
  source = await createCluster({ walSegmentSize: segmentSize, settings: { wal_keep_size: "200MB" } });
  rig = await createRig(source, { masterKey, masterKeyFile: keyFile });
  await rig.backup({ compression: "zstd", encryption: "aes-256-gcm" });
  for (let round = 0; round < 20; round += 1) {
    await insertMarkers(source, round * 3 + 1, round * 3 + 3);
    await source.sql("SELECT pg_logical_emit_message(true, 'bulk', repeat('x', 900000))");
  }
  rows = await markersIn(source);
  await rig.caughtUp();
  await rig.archive({ compression: "zstd", encryption: "aes-256-gcm" });
  await rig.stopReceiver();
  const { plan } = await rig.restore();
  data = plan.directory;
  first = plan.wal.firstSegment;
});

describe("restore_command delivers", () => {
  it("every segment as the server has it, whatever form it is stored in", async () => {
    const names = archived().map(plain);
    expect(names.length).toBeGreaterThan(3);
    for (const name of names) {
      const { answer, bytes } = await fetch(name);
      expect(answer).toBe("delivered");
      expect(bytes.equals(readFileSync(join(source.dataDir, "pg_wal", name)))).toBe(true);
    }
  });

  it("the unfinished segment cut at its durable end and filled up with zeros", async () => {
    const partial = stored().find((name) => name.endsWith(".partial")) ?? "";
    const { bytes } = await fetch(plain(partial));
    expect(bytes).toHaveLength(segmentSize);
    const received = readFileSync(walFile(partial));
    expect(bytes.subarray(0, received.length).equals(received)).toBe(true);
    expect(bytes.subarray(received.length).every((byte) => byte === 0)).toBe(true);
  });

  it("says that segments follow, once, which a process of its own then keeps ready: whole, checked, and not the last one", async () => {
    const names = archived().map(plain);
    const [begin = ""] = names;
    expect(await startsPrefetch(begin)).toBe(true);
    const due = names.slice(1, 9);
    await whileKeepingReady(async () => {
      await waitFor("segments lie ready", () => ready().length === due.length);
      expect(ready()).toEqual(due);
      for (const name of due) expect(readFileSync(join(data, "moneta_wal", name)).equals(readFileSync(join(source.dataDir, "pg_wal", name)))).toBe(true);
      expect(await startsPrefetch(begin)).toBe(false);
      // One that was not ready, further on: what lies behind it is of no use any more.
      const later = names.at(-3) ?? "";
      expect(await startsPrefetch(later)).toBe(false);
      const rest = names.slice(names.indexOf(later) + 1);
      await waitFor("only what comes next lies ready", () => ready().join() === rest.join());
      for (const name of rest) rmSync(join(data, "moneta_wal", name));
    });
    // Everything is taken: it has ended by itself.
    expect(readdirSync(join(data, "moneta_wal"))).toEqual(["asked", "end"]);
  });

  it("what is not ready from the process that keeps segments ready, which has its keys; what that cannot make is said by the call", async () => {
    const [begin = "", second = ""] = archived().map(plain);
    const asPostgresDoes = (name: string): ReturnType<typeof fetch> => fetch(name, () => undefined);
    rmSync(join(data, "moneta_wal"), { recursive: true, force: true });
    expect(await startsPrefetch(begin)).toBe(true);
    const kept = keepReady().then(() => undefined, (error: unknown) => error);
    await waitFor("segments lie ready", () => ready().length > 2);
    // Whoever has to read the key itself cannot.
    await withChanged(keyFile, () => undefined, async () => {
      await expect(fetch(begin)).rejects.toThrow();
      for (const name of [begin, second]) {
        const { answer, bytes } = await asPostgresDoes(name);
        expect([answer, bytes.equals(readFileSync(join(source.dataDir, "pg_wal", name)))]).toEqual(["delivered", true]);
        expect(ready()).not.toContain(name);
      }
    });
    await withChanged(walFile(archived()[0] ?? ""), flipAt((size) => size - 1), async () => {
      await expect(asPostgresDoes(begin)).rejects.toThrow(new RegExp(begin));
      expect(await kept).toMatchObject({ message: expect.stringContaining(begin) as string });
    });

    // One that was killed seems to be at work for a while.
    writeFileSync(join(data, "moneta_wal", "beat"), "");
    expect((await asPostgresDoes(begin)).answer).toBe("delivered");
    expect(readdirSync(join(data, "moneta_wal"))).not.toContain("awaited");
    rmSync(join(data, "moneta_wal"), { recursive: true });
  });

  it("keeps nothing ready of what is damaged", async () => {
    rmSync(join(data, "moneta_wal"), { recursive: true, force: true });
    const [begin = "", next = "", third = ""] = archived();
    await withChanged(walFile(third), flipAt((size) => size - 1), async () => {
      expect(await startsPrefetch(plain(begin))).toBe(true);
      await expect(keepReady()).rejects.toThrow(new RegExp(plain(third)));
    });
    expect(ready()).toEqual(ready().filter((name) => name === plain(next)));
    rmSync(join(data, "moneta_wal"), { recursive: true });
  });

  it("keeps nothing ready any more once the plan of another restore lies there", async () => {
    expect(await startsPrefetch(plain(archived()[0] ?? ""))).toBe(true);
    await whileKeepingReady(async () => {
      await waitFor("segments lie ready", () => ready().length > 0);
      replacePlan();
    });
    rmSync(join(data, "moneta_wal"), { recursive: true });
  });

  it("as many as there is room for, also when a call gave up waiting for one, or one further on is asked for", async () => {
    const names = archived().map(plain);
    expect(names.length).toBeGreaterThan(14);
    const [begin = "", second = "", third = ""] = names;
    const further = names[12] ?? "";
    let rests = 0;
    const clock: Clock = { ...systemClock, sleep: (ms, signal) => ((rests += 1), systemClock.sleep(ms, signal)) };
    const waitingFor = (name: string): void => writeFileSync(join(data, "moneta_wal", "awaited"), name);
    expect(await startsPrefetch(begin)).toBe(true);
    waitingFor(begin);
    await whileKeepingReady(async () => {
      await waitFor("those that come next lie ready besides the one that nobody takes", () => ready().join() === names.slice(0, 9).join(), { seen: ready });
      waitingFor(further);
      await waitFor("the one further on lies ready", () => ready().includes(further));
      const before = rests;
      await waitFor("there is nothing to do", () => rests > before);
      expect(ready()).toEqual([...names.slice(0, 9), further]);
      for (const name of [second, third]) rmSync(join(data, "moneta_wal", name));
      await waitFor("one more is made", () => ready().includes(names[9] ?? ""), { seen: ready });
      replacePlan();
    }, clock);
    rmSync(join(data, "moneta_wal"), { recursive: true });
  });

  it("nothing more when the process that keeps segments ready is told to end", async () => {
    expect(await startsPrefetch(plain(archived()[0] ?? ""))).toBe(true);
    const keeper = await startProcess(program.node, [program.script, "wal-prefetch", recoveryPlanFile], { cwd: data });
    const beat = (): string[] => readdirSync(join(data, "moneta_wal")).filter((name) => name === "beat");
    await waitFor("segments lie ready", () => ready().length === 8 && beat().length === 1, { seen: keeper.output });
    keeper.kill("SIGTERM");
    // By itself it would go on for a minute.
    await waitFor("it has ended", () => !keeper.isRunning(), { deadlineMs: 30_000 });
    expect(await keeper.finished).toMatchObject({ status: 1, signal: null, stdout: "", stderr: "" });
    expect(beat()).toEqual([]);
    rmSync(join(data, "moneta_wal"), { recursive: true });
  });
});

/** As another restore into the same place does. */
function replacePlan(): void {
  const plan = join(data, recoveryPlanFile);
  const bytes = readFileSync(plan);
  rmSync(plan);
  writeFileSync(`${plan}.new`, bytes, { mode: 0o600 });
  renameSync(`${plan}.new`, plan);
}

/** What lies ready for the shell. */
const ready = (): string[] => readdirSync(join(data, "moneta_wal")).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();
const keepReady = (clock = systemClock): Promise<void> => prefetchWal({ plan: join(data, recoveryPlanFile), clock });

/** Runs a step beside a process that keeps segments ready, and waits for its end, which must come by itself. */
async function whileKeepingReady(step: () => Promise<void>, clock?: Clock): Promise<void> {
  const kept = keepReady(clock).then(() => undefined, (error: unknown) => error);
  await step();
  expect([undefined, "RECOVERY_PLAN_DAMAGED"]).toContain(((await kept) as { code?: string } | undefined)?.code);
}

/** Fetches a segment as the command line does; whether it asks for a process that keeps the next ones ready. */
async function startsPrefetch(name: string): Promise<boolean> {
  let asked = false;
  const onAhead = (): void => void (asked = true);
  await fetchWal({ plan: join(data, recoveryPlanFile), name, destination: join(temporaryDirectory().path, "x"), onAhead });
  return asked;
}

describe("restore_command says absent", () => {
  it.each([
    ["of segments beyond the end", "0000000100000000000000FF"],
    ["of history files that do not exist", "00000002.history"],
    ["of segments on timelines that this recovery does not go through", "000000020000000000000001"],
    ["of notes on backups", "000000010000000000000002.00000028.backup"],
  ])("%s", async (_what, name) => {
    expect((await fetch(name)).answer).toBe("absent");
  });
});

describe("restore_command fails, so that recovery stops", () => {
  const middle = (): string => archived()[1] ?? "";

  it("when a segment that is needed is missing", async () => {
    const name = middle();
    await withChanged(walFile(name), () => undefined, async () => {
      await expect(fetch(plain(name))).rejects.toMatchObject({ code: "RESTORE_WAL_MISSING", exit: 126 });
    });
  });

  it.each([
    ["changed at its beginning", flipAt(() => 3)],
    ["changed in the middle", flipAt((size) => Math.floor(size / 2))],
    ["changed at its end", flipAt((size) => size - 1)],
    ["cut short", (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
    ["longer than it was", (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(0)])],
    ["empty", () => Buffer.alloc(0)],
  ])("when the stored segment is %s", async (_how, change) => {
    const name = middle();
    await withChanged(walFile(name), change, async () => {
      await expect(fetch(plain(name))).rejects.toThrow(new RegExp(plain(name)));
    });
    expect((await fetch(plain(name))).answer).toBe("delivered");
  });

  it.each([
    ["changed", flipAt((size) => size - 100)],
    ["shorter than it was", (bytes: Buffer) => bytes.subarray(0, bytes.length - 8)],
    ["gone", () => undefined],
  ])("when the unfinished segment is %s", async (_how, change) => {
    const partial = stored().find((name) => name.endsWith(".partial")) ?? "";
    await withChanged(walFile(partial), change, async () => {
      await expect(fetch(plain(partial))).rejects.toMatchObject({ exit: 126 });
    });
  });

  it("when the repository is not there, also for what would be absent", async () => {
    const root = rig.storage.root;
    const name = plain(middle());
    renameSync(root, `${root}.away`);
    try {
      await expect(fetch(name)).rejects.toMatchObject({ exit: 126 });
      await expect(fetch("00000002.history")).rejects.toMatchObject({ exit: 126 });
    } finally {
      renameSync(`${root}.away`, root);
    }
  });

  it("when the master key is gone, or is another one", async () => {
    await withChanged(keyFile, () => undefined, async () => {
      await expect(fetch(plain(middle()))).rejects.toMatchObject({
        code: "REPOSITORY_MASTER_KEY_MISSING",
        message: expect.stringContaining(keyFile) as string,
      });
    });
  });

  it("when recovery is about to end, but never asked for the segment that holds the end", async () => {
    rmSync(join(data, "moneta_wal"), { recursive: true, force: true });
    expect((await fetch(plain(archived()[0] ?? ""))).answer).toBe("delivered");
    await expect(fetch("00000002.history")).rejects.toMatchObject({ code: "RECOVERY_ENDED_EARLY", exit: 126 });
    await fetch(plain(stored().find((name) => name.endsWith(".partial")) ?? ""));
    expect((await fetch("00000002.history")).answer).toBe("absent");
    rmSync(join(data, "moneta_wal"), { recursive: true });
  });

  it("when its plan is damaged or gone", async () => {
    const plan = join(data, recoveryPlanFile);
    for (const change of [() => undefined, () => Buffer.from("{}"), (bytes: Buffer) => bytes.subarray(0, 40)]) {
      await withChanged(plan, change, async () => {
        await expect(fetch(plain(middle()))).rejects.toMatchObject({ code: "RECOVERY_PLAN_DAMAGED", exit: 126 });
      });
    }
  });
});

it("the plan holds no secret and is nobody else's", () => {
  const path = join(data, recoveryPlanFile);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const text = readFileSync(path, "utf8");
  expect(text).toContain(keyFile);
  expect(text).not.toContain(readFileSync(keyFile, "latin1").split("\n")[0] ?? "?");
});

it("PostgreSQL stops when a segment is missing, does not open for business, and goes on when it is back", async () => {
  rmSync(join(data, "moneta_wal"), { recursive: true, force: true });
  const missing = archived().at(-2) ?? "";
  renameSync(walFile(missing), walFile(`${missing}-away`));
  const cluster = await startOn(data, 15, { start: false });
  const said = await cluster.startExpectingFailure();
  expect(said).toMatch(new RegExp(`WAL segment ${plain(missing)} is missing in the repository`));
  expect(said).toMatch(/FATAL: {2}could not restore file/);
  expect(said).not.toMatch(/selected new timeline|archive recovery complete/);
  renameSync(walFile(`${missing}-away`), walFile(missing));
  await cluster.start();
  await promoted(cluster);
  expect(await markersIn(cluster)).toEqual(rows);
  expect(readdirSync(data)).not.toContain("moneta_wal");
  await cluster.destroy();
});
