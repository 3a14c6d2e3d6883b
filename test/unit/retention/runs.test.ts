/** Whole runs on a repository with two branches of one cluster, or backups of pgmoneta beside ours: what stays of backups and WAL. */
import { utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { lsn, segmentName, timelineId } from "../../../src/postgres/index.ts";
import { formatBackupInfo, openCatalog, openServerIdentity, openWalCoverage, openWalInventory, serverLayout } from "../../../src/repository/index.ts";
import { nothingInUse, runRetention, type RetentionOutcome, type RetentionPolicy } from "../../../src/retention/index.ts";
import { withoutSyncs } from "../../support/without-syncs.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";
import { dayMs, entry, segmentSize, type Wish } from "./backups.ts";

withoutSyncs();
const repository = eachTestHasARepository();
const now = Date.UTC(2026, 10, 20, 12);
const systemIdentifier = "7412345678901234567";
const layout = serverLayout("primary");
const at = (segment: number) => lsn(BigInt(segment) * BigInt(segmentSize));

/** A server with a backup for each wish, and old WAL of the segments of each timeline. Timeline 2 left timeline 1 in segment 8. */
async function lay(wishes: readonly Wish[], wal: Readonly<Record<number, readonly [number, number]>>): Promise<string[]> {
  const { storage } = repository;
  await openServerIdentity(storage, "primary").write({ systemIdentifier, segmentSize });
  const labels: string[] = [];
  for (const { label, info } of wishes.map(entry)) {
    if (info === undefined) continue;
    labels.push(label);
    await repository.put(`primary/backup/${label}/backup.sha256`, "");
    for (const name of Object.keys(info.own?.digests ?? {})) await repository.put(`primary/backup/${label}/${name}`, "");
    await repository.put(`primary/backup/${label}/backup.info`, formatBackupInfo(info.own === undefined ? { ...info, writer: "0.22.0" } : info));
  }
  for (const [timeline, [first, last]] of Object.entries(wal)) {
    for (let segment = first; segment <= last; segment += 1) {
      const path = layout.walFile(`${segmentName(timelineId(Number(timeline)), at(segment), segmentSize)}.zstd`);
      await repository.put(path, "x");
      utimesSync(join(storage.root, path), 1_600_000_000, 1_600_000_000);
    }
  }
  await openWalInventory(storage, "primary", segmentSize).histories.add(timelineId(2), Buffer.from("1\t0/8000000\tbefore 2026-11-19\n"));
  return labels;
}

const covered = (timeline: number): Promise<void> =>
  openWalCoverage(repository.storage, "primary").write({ timeline: timelineId(timeline), lsn: at(13), serverTime: now });

function retain(policy: RetentionPolicy, timeline?: number, moment = now): Promise<RetentionOutcome> {
  return runRetention(
    {
      server: "primary",
      storage: repository.storage,
      policy,
      minimum: 1,
      inUse: nothingInUse,
      timeline: timeline === undefined ? undefined : timelineId(timeline),
      dryRun: false,
    },
    { clock: { ...systemClock, now: () => moment }, logger: silentLogger, signal: new AbortController().signal, progress: () => undefined, settled: () => undefined },
  );
}

const listed = async (): Promise<string[]> => (await openCatalog(repository.storage, "primary").list()).map(({ label }) => label);
const stored = async (): Promise<string[]> =>
  (await repository.storage.list("primary/wal")).flatMap(({ name }) => (name.endsWith(".zstd") ? [`${Number(name.slice(0, 8))}/${Number.parseInt(name.slice(16, 24), 16)}`] : []));
const segments = (timeline: number, first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, index) => `${timeline}/${first + index}`);

it("after a restore to an earlier moment the backup stays that the server goes on from, with its WAL, although a newer one lies on the branch that was left", async () => {
  const labels = await lay([{ at: now - 8 * dayMs, segment: 4 }, { at: now - dayMs, segment: 12 }], { 1: [1, 14], 2: [8, 13] });
  await covered(2);
  const { plan } = await retain({ kind: "calendar", days: 7 });
  expect(await listed()).toEqual(labels);
  expect(plan[0]).toMatchObject({ recovery: true, reason: "the newest valid one, of those that timeline 2 goes on from" });
  expect(await stored()).toEqual([...segments(1, 4, 14), ...segments(2, 8, 13)]);
});

it("a new backup of an old primary that came back is not displaced by one of a higher timeline, nor is its WAL", async () => {
  const labels = await lay([{ at: now - dayMs, segment: 14 }, { at: now - 8 * dayMs, segment: 12, timeline: 2 }], { 1: [10, 15], 2: [8, 13] });
  // What proves a moment is a primary: of a standby it is known only to whoever receives from it.
  await covered(2);
  const { plan } = await retain({ kind: "count", copies: 1 }, 1);
  expect(await listed()).toEqual(labels);
  expect(plan[0]?.reason).toBe("the newest copy, of those that timeline 1 goes on from; the newest valid one, of those that timeline 1 goes on from");
  expect(await stored()).toEqual([...segments(1, 14, 15), ...segments(2, 12, 13)]);
});

it("WAL that is received from a standby on a lower timeline stays, whatever was proven of a higher one", async () => {
  await lay([{ at: now - 8 * dayMs, segment: 12, timeline: 2 }], { 1: [10, 15], 2: [8, 13] });
  await covered(2);
  await retain({ kind: "count", copies: 1 }, 1);
  expect(await stored()).toEqual([...segments(1, 10, 15), ...segments(2, 12, 13)]);
  await retain({ kind: "count", copies: 1 });
  expect(await stored()).toEqual(segments(2, 12, 13));
});

it("while the history of the server's timeline cannot be read, no backup goes that it may go on from", async () => {
  const labels = await lay([{ at: now - 9 * dayMs, segment: 3 }, { at: now - 8 * dayMs, segment: 4 }, { at: now - dayMs, segment: 12 }], { 1: [1, 14], 2: [8, 13] });
  await covered(2);
  await repository.put(layout.walFile("00000002.history"), "1\t0/8000000\n\nno line");
  const { plan } = await retain({ kind: "calendar", days: 7 });
  expect(await listed()).toEqual(labels);
  expect(plan[1]?.reason).toBe("perhaps what timeline 2 goes on from: its history cannot be read");
});

it.each<[string, RetentionPolicy]>([
  ["a window", { kind: "window", seconds: 14 * 86_400 }],
  ["a number of copies", { kind: "count", copies: 2 }],
  ["the last days", { kind: "calendar", days: 16 }],
])("what %s keeps of pgmoneta's backups keeps its WAL until ours fulfil the policy alone", async (_what, policy) => {
  const foreign = { at: now - 15 * dayMs, segment: 5, foreign: true };
  const ours = { at: now - dayMs, segment: 20 };
  await lay([foreign, ours], { 1: [4, 22] });
  await covered(1);
  await retain(policy);
  // Before there are so many copies nothing goes by their number.
  expect(await stored()).toEqual(segments(1, policy.kind === "count" ? 4 : 5, 22));
  // So much later there are two of ours, and the older one is older than the policy looks back.
  await lay([{ at: now + 20 * dayMs, segment: 21 }], {});
  expect((await retain(policy, 1, now + 40 * dayMs)).plan.map(({ keep }) => keep)).toEqual([true, policy.kind === "count", true]);
  expect(await stored()).toEqual([...segments(1, 5, 5), ...segments(1, policy.kind === "count" ? 20 : 21, 22)]);
});
