import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lockOpenFile } from "../../../src/common/index.ts";
import type { BackupInfo } from "../../../src/repository/index.ts";
import { expectSameContents, logicalDigest, type LogicalDigest } from "../../support/compare-clusters.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { requires, tool } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { offlineRestore } from "./offline.ts";
import { createRig, promoted, startOn, type Rig } from "./rig.ts";

const markerName = "moneta_restore_unfinished.json";
let source: Cluster;
let rig: Rig;
let info: BackupInfo;
let contents: LogicalDigest;
let run: ReturnType<typeof offlineRestore>;

beforeAll(async () => {
  source = await createCluster();
  const elsewhere = temporaryDirectory({ unprivileged: true }).path;
  mkdirSync(join(elsewhere, "space"));
  await source.sql(`CREATE TABLESPACE spare LOCATION '${join(elsewhere, "space")}'`);
  await source.sql("CREATE TABLE kept TABLESPACE spare AS SELECT g, md5(g::text) FROM generate_series(1, 50000) g");
  rig = await createRig(source);
  info = await rig.backup();
  contents = await logicalDigest(source);
  await rig.caughtUp();
  await rig.stopReceiver();
  run = offlineRestore(rig);
});

afterAll(async () => {
  await source.destroy();
});

const fresh = (): string => temporaryDirectory({ prefix: "mrest", unprivileged: true }).path;
const dataOf = (directory: string): string => join(directory, `primary-${info.label}`);
const spaceOf = (directory: string): string => join(directory, `primary-${info.label}-tblspc_spare`);
const sealed = (directory: string): boolean => existsSync(join(dataOf(directory), "global/pg_control"));

function removeTarget(directory: string): void {
  for (const path of [dataOf(directory), spaceOf(directory)]) rmSync(path, { recursive: true, force: true });
}

async function expectComplete(directory: string, at: string): Promise<void> {
  const cluster = await startOn(dataOf(directory));
  await promoted(cluster);
  await expectSameContents(contents, cluster);
  expect(readdirSync(dataOf(directory)), at).not.toContain(markerName);
  await cluster.destroy();
}

describe("a restore that is killed", () => {
  it("at any instant leaves nothing that PostgreSQL starts on, and a later run completes it", async () => {
    const began = performance.now();
    const whole = fresh();
    const first = await run(whole);
    expect(first.output).toContain(dataOf(whole));
    expect(first.status).toBe(0);
    const duration = performance.now() - began;
    const seed = Date.now() % 100_000;
    let state = seed;
    const directory = fresh();
    let unfinished = 0;
    for (let instant = 0; instant < 20; instant += 1) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      await run(directory, { killMs: duration * (0.2 + (0.9 * (state % 1000)) / 1000) });
      if (sealed(directory)) {
        // It was complete: the next one begins anew.
        removeTarget(directory);
        continue;
      }
      if (!existsSync(join(dataOf(directory), "PG_VERSION"))) continue;
      unfinished += 1;
      if (unfinished > 3) continue;
      const cluster = await startOn(dataOf(directory), 15, { start: false });
      expect(await cluster.startExpectingFailure(), `seed ${seed}, instant ${instant}`).toMatch(/could not find the database system|could not open file .*pg_control/);
      await cluster.destroy();
    }
    console.log(`20 instants, seed ${seed}: ${unfinished} found the cluster unfinished`);
    const last = await run(directory);
    expect(last.output).toContain(dataOf(directory));
    expect(last.status).toBe(0);
    expect(readdirSync(dataOf(directory)).filter((name) => name.startsWith(markerName))).toEqual([]);
    await expectComplete(directory, `seed ${seed}`);
  });
});

describe("a restore that is killed right before one of its own steps", () => {
  const calls = ["mkdir", "link", "rename", "unlink", "rmdir", "fsync"];
  const strace = (...more: string[]): string[] => [tool("strace"), "-f", "-qq", "-e", `trace=${calls.join(",")}`, ...more];
  // One thread makes all calls, in the same order each time.
  const environment = { UV_THREADPOOL_SIZE: "1" };
  const killBefore = (directory: string, call: string, number: number) =>
    run(directory, { below: strace("-o", "/dev/null", "-e", `inject=${call}:signal=KILL:when=${number}`), environment });

  interface Step {
    readonly call: string;
    /** Which one of its thread's calls of that name. */
    readonly number: number;
    readonly what: string;
  }

  /** The system calls of a restore that change what a later one finds. */
  async function steps(directory: string): Promise<Step[]> {
    const trace = join(temporaryDirectory({ unprivileged: true }).path, "calls");
    expect((await run(directory, { below: strace("-o", trace, "-y"), environment })).status).toBe(0);
    const counts = new Map<string, number>();
    return readFileSync(trace, "utf8").split("\n").flatMap((line) => {
      const [, thread = "", call = "", what = ""] = /^(\d+) +(\w+)\((.*)/.exec(line) ?? [];
      const number = (counts.get(thread + call) ?? 0) + 1;
      counts.set(thread + call, number);
      return what.includes(directory) ? [{ call, number, what: what.replaceAll(directory, "") }] : [];
    });
  }

  requires("strace").it(
    "leaves what the next one removes, or a complete cluster which that one refuses to touch",
    async () => {
      const whole = fresh();
      const all = await steps(whole);
      removeTarget(whole);
      const commit = all.findIndex(({ call, what }) => call === "rename" && what.includes("/global/pg_control"));
      // Of the directories that are made one after the other some will do; of what is only synced, what a rename follows.
      const chosen = all.filter(
        ({ call, what }, index) =>
          process.env["MONETA_KILL_STEPS"] === "all" ||
          (call === "mkdir" ? /_spare"|pg_xact/.test(what) : call !== "fsync" || index >= commit - 1),
      );
      expect(all.slice(commit + 1).map(({ call }) => call)).toEqual(["fsync", "unlink", "fsync"]);
      expect(chosen.length).toBeGreaterThan(7);
      for (const { call, number, what } of chosen) {
        const directory = fresh();
        const at = `before ${call} ${number}: ${what}`;
        expect((await killBefore(directory, call, number)).status, at).toBeNull();
        const complete = all.findIndex((step) => step.call === call && step.number === number) > commit;
        expect(sealed(directory), at).toBe(complete);
        const next = await run(directory);
        if (complete) {
          expect(next.status, next.output).toBe(92);
          expect(next.output, at).toMatch(/is not empty/);
          // Between two of these steps nothing of the cluster itself changes.
          if (call === "unlink") await expectComplete(directory, at);
        } else {
          expect(next.status, `${at}: ${next.output}`).toBe(0);
          expect(readdirSync(dataOf(directory)).filter((name) => name.startsWith(markerName)), at).toEqual([]);
          expect(sealed(directory), at).toBe(true);
        }
        removeTarget(directory);
      }
      console.log(`killed before ${chosen.length} of ${all.length} calls`);
    },
    300_000,
  );

  requires("strace").it(
    "leaves also what it was removing to the next one",
    async () => {
      const directory = fresh();
      await killBefore(directory, "rename", 1);
      expect(sealed(directory)).toBe(false);
      for (const [call, number] of [["unlink", 1], ["unlink", 500], ["rmdir", 2], ["rename", 1]] as const) {
        const { status, output } = await killBefore(directory, call, number);
        expect(status, `${call} ${number}: ${output}`).toBeNull();
        expect(sealed(directory)).toBe(false);
        expect(existsSync(join(dataOf(directory), markerName)), `${call} ${number}`).toBe(true);
      }
      expect((await run(directory)).status).toBe(0);
      await expectComplete(directory, "in the end");
    },
  );

  requires("strace").it("leaves nothing that PostgreSQL starts on when its commit is not known to be durable", async () => {
    const whole = fresh();
    const all = await steps(whole);
    removeTarget(whole);
    const commit = all.findIndex(({ call, what }) => call === "rename" && what.includes("/global/pg_control"));
    const { call = "", number = 0 } = all[commit + 1] ?? {};
    const directory = fresh();
    const below = strace("-o", "/dev/null", "-e", `inject=${call}:error=EIO:when=${number}`);
    const { status, output } = await run(directory, { below, environment });
    expect({ call, status }, output).toEqual({ call: "fsync", status: 96 });
    expect(existsSync(dataOf(directory))).toBe(false);
  });
});

describe("what a restore left is removed only when it has certainly ended", () => {
  /** An unfinished restore, and a change of its marker as if another one had written it. */
  async function leftover(change: (writer: { boot: string; locked: boolean; host: string }) => void): Promise<string> {
    const directory = fresh();
    await run(directory, { killMs: 1 });
    mkdirSync(dataOf(directory), { recursive: true });
    const path = join(dataOf(directory), markerName);
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const writer = { host: "elsewhere", pid: process.pid, boot, locked: true };
    change(writer);
    writeFileSync(path, JSON.stringify({ server: "primary", label: info.label, writer, directories: [dataOf(directory), spaceOf(directory)] }));
    writeFileSync(join(dataOf(directory), "PG_VERSION"), "15\n");
    return directory;
  }

  it("under whatever name the machine runs now, and after it was started again", async () => {
    for (const boot of [undefined, "of an earlier start"]) {
      const directory = await leftover((writer) => {
        writer.boot = boot ?? writer.boot;
      });
      expect((await rig.restore({ directory })).plan.notes.join()).toMatch(/an unfinished restore lies in/);
      expect(sealed(directory)).toBe(true);
      removeTarget(directory);
    }
  });

  it("not while somebody holds its lock, whatever else the marker says", async () => {
    const directory = await leftover((writer) => {
      writer.host = "gone";
    });
    const fd = openSync(join(dataOf(directory), markerName), "r");
    try {
      expect(await lockOpenFile(fd)).toBe(true);
      await expect(rig.restore({ directory })).rejects.toThrow(/is being written by another restore of backup \d+ \(pid \d+ on gone\)/);
    } finally {
      closeSync(fd);
    }
    await rig.restore({ directory });
    expect(sealed(directory)).toBe(true);
  });

  it("not where it could not lock", async () => {
    const directory = await leftover((writer) => {
      writer.locked = false;
    });
    await expect(rig.restore({ directory })).rejects.toThrow(/cannot tell whether that still runs/);
    expect(readdirSync(dataOf(directory)).sort()).toEqual(["PG_VERSION", markerName]);
  });

  it("and never what somebody else put into a tablespace's directory that it had not begun", async () => {
    const directory = await leftover(() => undefined);
    mkdirSync(spaceOf(directory));
    writeFileSync(join(spaceOf(directory), "precious"), "x");
    await expect(rig.restore({ directory })).rejects.toThrow(/tblspc_spare" is not empty/);
    expect(readFileSync(join(spaceOf(directory), "precious"), "utf8")).toBe("x");
  });
});
