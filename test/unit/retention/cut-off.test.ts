/** E08: a run of retention, and a deletion, cut off between any two of their steps: what is listed is whole, and the next run goes on. */
import { readFileSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { deleteBackup } from "../../../src/job/delete.ts";
import type { JobEnvironment } from "../../../src/job/job.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { lsn, parseSegmentName } from "../../../src/postgres/index.ts";
import { formatBackupInfo, openCatalog, openServerIdentity } from "../../../src/repository/index.ts";
import { runRetention } from "../../../src/retention/index.ts";
import type { LocalStorage } from "../../../src/storage/index.ts";
import { withoutSyncs } from "../../support/without-syncs.ts";
import { sample, sampleOwn } from "../repository/sample-backup.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";

withoutSyncs();
const repository = eachTestHasARepository();
const segmentSize = sampleOwn.walSegmentSize;
const labels = ["20260101000000", "20260102000000", "20260103000000", "20260104000000"] as const;
/** The segment in which each of them begins and ends. */
const segmentOf: Readonly<Record<string, number>> = Object.fromEntries(labels.map((label, index) => [label, 4 + 4 * index]));
const newest = 20;
const nameOf = (number: number): string => `0000000100000000${number.toString(16).toUpperCase().padStart(8, "0")}.zstd`;
const dataOf = (label: string): string => `primary/backup/${label}/data/f`;

class Killed extends Error {}

/** Four backups, and their WAL. */
async function lay(): Promise<void> {
  await repository.storage.removeTree("primary");
  await openServerIdentity(repository.storage, "primary").write({ systemIdentifier: sampleOwn.systemIdentifier, segmentSize });
  for (const label of labels) {
    const start = BigInt((segmentOf[label] ?? 0) * segmentSize);
    await repository.put(dataOf(label), label);
    for (const name of Object.keys(sampleOwn.digests)) await repository.put(`primary/backup/${label}/${name}`, "");
    await repository.put(`primary/backup/${label}/backup.info`, formatBackupInfo(sample({ label, startLsn: lsn(start + 40n), endLsn: lsn(start + 400n) })));
  }
  for (let number = 1; number <= newest; number += 1) await repository.put(`primary/wal/${nameOf(number)}`, "x");
}

/** Does what is asked of it but the change of this number, at which everything ends; of a tree one file is gone by then. */
function cutting(at: number): LocalStorage {
  const real = repository.storage;
  let made = 0;
  const change = async <T>(step: () => Promise<T>, half: () => void = () => undefined): Promise<T> => {
    made += 1;
    if (made < at) return step();
    if (made === at) half();
    throw new Killed();
  };
  return {
    ...real,
    createFile: (path) =>
      change(async () => {
        const sink = await real.createFile(path);
        return { ...sink, commit: (options) => change(() => sink.commit(options)), abort: async () => undefined };
      }),
    replaceFile: (path, content) => change(() => real.replaceFile(path, content)),
    renewFile: (path, content) => change(() => real.renewFile(path, content)),
    changeFile: (path, most, how) => change(() => real.changeFile(path, most, how)),
    appendLine: (path, line) => change(() => real.appendLine(path, line)),
    removeFile: (path) => change(() => real.removeFile(path)),
    hideTree: (path) => change(() => real.hideTree(path)),
    removeTree: (path) => change(() => real.removeTree(path), () => rmSync(join(real.root, path, "data"), { recursive: true })),
  };
}

/** What the hooks of a run of retention were told, and of a backup's end what was there of it then. */
let told: { readonly what: "before" | "gone" | "failed"; readonly label: string; readonly left: boolean }[] = [];
async function tell(what: (typeof told)[number]["what"], label: string): Promise<void> {
  told.push({ what, label, left: (await repository.storage.list("primary/backup")).some(({ name }) => name.includes(label)) });
}

const retain = (storage: LocalStorage): Promise<unknown> =>
  runRetention(
    { server: "primary", storage, policy: { kind: "count", copies: 2 }, minimum: 1, inUse: { all: false, backups: [], wal: [] }, dryRun: false },
    {
      clock: systemClock,
      logger: silentLogger,
      signal: new AbortController().signal,
      progress: () => undefined,
      settled: () => undefined,
      beforeRemoval: (label) => tell("before", label),
      afterRemoval: (label, failure) => tell(failure === undefined ? "gone" : "failed", label),
    },
  );
const remove = (storage: LocalStorage): Promise<unknown> => {
  const hooks = { around: (_subject: string, _facts: object, action: () => Promise<unknown>) => action() };
  const environment = { server: { name: "primary" }, storage, logger: silentLogger, signal: new AbortController().signal, progress: () => undefined, settled: () => undefined, hooks };
  return deleteBackup({ command: "delete", backup: labels[0], force: false }, environment as unknown as JobEnvironment);
};

const listed = async (): Promise<string[]> => (await openCatalog(repository.storage, "primary").list()).map(({ label }) => label);
const wal = async (): Promise<number[]> =>
  (await repository.storage.list("primary/wal")).map(({ name }) => Number(parseSegmentName(name.slice(0, 24), segmentSize).start / BigInt(segmentSize)));
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const isCut = (error: unknown): boolean => error instanceof Killed || (error instanceof Error && error.cause !== undefined && isCut(error.cause));

it.each<[string, (storage: LocalStorage) => Promise<unknown>, readonly string[], readonly number[], number]>([
  ["retention", retain, labels.slice(2), range(12, newest), 14],
  ["a deletion", remove, labels.slice(1), range(1, newest), 2],
])("%s: every backup that is listed has its files and its WAL, and the next run goes on", async (_what, run, staying, walStaying, least) => {
  let instants = 0;
  for (let at = 1, done = false; !done; at += 1) {
    await lay();
    told = [];
    done = await run(cutting(at)).then(
      () => true,
      (error: unknown) => {
        if (!isCut(error)) throw error;
        return false;
      },
    );
    // Whoever was asked whether a backup may go hears once what became of it, and the truth.
    const asked = told.flatMap(({ what, label }) => (what === "before" ? [label] : []));
    if (done) expect(asked, `cut at ${at}`).toHaveLength(run === retain ? 2 : 0);
    expect(told.flatMap(({ what, label }) => (what === "before" ? [] : [label])).toSorted(), `cut at ${at}`).toEqual(asked.toSorted());
    expect(told.filter(({ what, left }) => what === "gone" && left), `cut at ${at}`).toEqual([]);
    const there = await listed();
    expect(there, `cut at ${at}`).toEqual(expect.arrayContaining([...staying]));
    const segments = await wal();
    for (const label of there) {
      expect(readFileSync(join(repository.storage.root, dataOf(label)), "utf8"), `cut at ${at}`).toBe(label);
      expect(segments, `cut at ${at}`).toEqual(expect.arrayContaining(range(segmentOf[label] ?? 0, newest)));
    }
    // What the next start does, and the next run.
    await openCatalog(repository.storage, "primary").removeLeftovers();
    if ((await listed()).length > staying.length || run === retain) await run(repository.storage);
    expect(await listed(), `cut at ${at}`).toEqual([...staying]);
    expect(await wal(), `cut at ${at}`).toEqual([...walStaying]);
    expect((await repository.storage.list("primary/backup")).map(({ name }) => name), `cut at ${at}`).toEqual([...staying]);
    instants += 1;
  }
  console.log(`cut off at ${instants - 1} instants`);
  expect(instants).toBeGreaterThan(least);
});

it("a backup that cannot be read keeps what it rests on, and the WAL from it on", async () => {
  await lay();
  const [first, second] = labels;
  const info = formatBackupInfo(sample({ label: second, parent: first, type: "incremental" }));
  await repository.put(`primary/backup/${second}/backup.info`, info.slice(0, -70));
  // Of the time when the second one was taken, and of an hour more than any time zone before.
  const taken = Date.UTC(2026, 0, 2) / 1000;
  for (let number = 1; number <= newest; number += 1) {
    const time = taken + (number < 7 ? -15 : 0) * 3600;
    utimesSync(join(repository.storage.root, "primary/wal", nameOf(number)), time, time);
  }
  await retain(repository.storage);
  expect((await openCatalog(repository.storage, "primary").entries()).map(({ label, state }) => [label, state])).toEqual([
    [first, "valid"],
    ...labels.slice(2).map((label) => [label, "valid"]),
    [second, "damaged"],
  ]);
  // The first one has what makes it consistent.
  expect(await wal()).toEqual([4, ...range(7, newest)]);
});
