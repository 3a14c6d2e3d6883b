/** Which WAL goes, and that a run which was stopped is finished by the next one. */
import { describe, expect, it } from "vitest";
import { lsn, timelineId, type Lsn, type TimelineHistory } from "../../../src/postgres/index.ts";
import { openServerIdentity, openWalInventory, serverLayout, type WalRange } from "../../../src/repository/index.ts";
import { unneededWal } from "../../../src/retention/index.ts";
import { surveyWal } from "../../../src/retention/wal-survey.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";
import { entry, segmentSize, type Wish } from "./backups.ts";

const at = (number: number): Lsn => lsn(BigInt(number) * BigInt(segmentSize));
const range = (timeline: number, from: number, to: number): WalRange => ({
  timeline: timelineId(timeline),
  from: at(from),
  to: at(to),
});
const backup = (wish: Partial<Wish>) => {
  const { info } = entry({ at: 0, ...wish });
  if (info === undefined) throw new Error("a damaged backup needs no WAL");
  return info;
};
const history = (timeline: number, parent: number, left: number): TimelineHistory => ({
  timeline: timelineId(timeline),
  entries: [{ timeline: timelineId(parent), switchLsn: at(left), reason: "" }],
});

describe("WAL", () => {
  const live = timelineId(1);
  const rest = { histories: new Map(), live, segmentSize };

  it("goes up to the first segment of what recovery needs, but for what makes another kept backup consistent", () => {
    const old = backup({ segment: 10 });
    const recent = backup({ segment: 20 });
    const stored = [range(1, 5, 40)];
    expect(unneededWal({ ...rest, kept: [recent], recovery: [recent], stored })).toEqual([range(1, 5, 20)]);
    expect(unneededWal({ ...rest, kept: [old, recent], recovery: [recent], stored })).toEqual([
      range(1, 5, 10),
      range(1, 11, 20),
    ]);
    expect(unneededWal({ ...rest, kept: [old, recent], recovery: [old, recent], stored })).toEqual([range(1, 5, 10)]);
  });

  it("stays altogether while nothing can be restored (E06)", () => {
    expect(unneededWal({ ...rest, kept: [], recovery: [], stored: [range(1, 5, 40)] })).toEqual([]);
    expect(unneededWal({ ...rest, kept: [backup({ segment: 9 })], recovery: [], stored: [range(1, 5, 40)] })).toEqual(
      [],
    );
  });

  it("that a running backup needs stays, with all of the timelines that may go on from there", () => {
    const recent = backup({ segment: 20 });
    const onTwo = backup({ segment: 30, timeline: 2 });
    const stored = [range(1, 5, 40), range(2, 25, 40)];
    const inUse = [{ timeline: timelineId(1), from: lsn(at(12) + 40n) }];
    const histories = new Map([[timelineId(2), history(2, 1, 25)]]);
    const plan = { ...rest, histories, live: timelineId(2), stored };
    expect(unneededWal({ ...plan, kept: [recent], recovery: [recent], inUse })).toEqual([range(1, 5, 12)]);
    expect(unneededWal({ ...plan, kept: [onTwo], recovery: [onTwo], inUse })).toEqual([range(1, 5, 12)]);
    expect(unneededWal({ ...plan, kept: [onTwo], recovery: [onTwo] })).toEqual([range(1, 5, 40), range(2, 25, 30)]);
  });

  it("of timelines goes only where they lead nowhere and are not received any more", () => {
    const onTwo = backup({ segment: 20, timeline: 2 });
    const stored = [range(1, 5, 16), range(2, 15, 40), range(3, 18, 22), range(4, 30, 50)];
    const histories = new Map(
      [history(2, 1, 15), history(3, 2, 18), history(4, 2, 30)].map((one) => [one.timeline, one]),
    );
    const plan = { kept: [onTwo], recovery: [onTwo], stored, histories, segmentSize };
    // Timeline 3 left before the backup: only a backup of a later one shows that it is over.
    expect(unneededWal({ ...plan, live: timelineId(4) })).toEqual([range(1, 5, 16), range(2, 15, 20)]);
    expect(unneededWal({ ...plan, live: timelineId(1) })).toEqual([range(2, 15, 20)]);
    expect(unneededWal({ ...plan, live: undefined })).toEqual([range(2, 15, 20)]);
    const onFour = backup({ segment: 40, timeline: 4 });
    expect(unneededWal({ ...plan, kept: [onFour], recovery: [onFour], live: timelineId(4) })).toEqual([
      range(1, 5, 16),
      range(2, 15, 40),
      range(3, 18, 22),
      range(4, 30, 40),
    ]);
    expect(unneededWal({ ...plan, histories: new Map(), live: timelineId(4) })).toEqual([
      range(1, 5, 16),
      range(2, 15, 20),
    ]);
  });
});

describe("what was pruned", () => {
  const repository = eachTestHasARepository();

  it("is remembered in as few ranges as there can be, is no gap, and excuses nothing once it cannot be read", async () => {
    const inventory = openWalInventory(repository.storage, "primary", segmentSize);
    const gap = { ...range(1, 3, 4), detectedAt: 0, reason: "lost" };
    await inventory.gaps.add(gap);
    await inventory.gaps.add({ ...gap, ...range(1, 30, 31) });
    await inventory.pruned.add([range(1, 1, 5)]);
    await inventory.pruned.add([range(1, 5, 9), range(2, 1, 2)]);
    expect(await inventory.pruned.list()).toEqual([range(1, 1, 9), range(2, 1, 2)]);
    expect((await inventory.openGaps()).map(({ from }) => from)).toEqual([at(30)]);
    await inventory.gaps.forget(await inventory.pruned.list());
    expect((await inventory.gaps.list()).map(({ from }) => from)).toEqual([at(30)]);
    const path = serverLayout("primary").walPruned;
    await repository.put(path, (await repository.text(path)).replace("0/9000000", "0/8000000"));
    expect(await inventory.pruned.list()).toEqual([]);
  });

  it("is remembered of all who remove at the same moment", async () => {
    const ranges = [1, 3, 5, 7, 9, 11].map((number) => range(1, number, number + 1));
    await Promise.all(ranges.map((one) => openWalInventory(repository.storage, "primary", segmentSize).pruned.add([one])));
    expect(await openWalInventory(repository.storage, "primary", segmentSize).pruned.list()).toEqual(ranges);
  });

  it("is named as the reason where WAL is looked for", async () => {
    const inventory = openWalInventory(repository.storage, "primary", segmentSize);
    await inventory.pruned.add([range(1, 1, 2)]);
    const wanted = { to: at(3), history: { timeline: timelineId(1), entries: [] } };
    expect(await inventory.continuity({ ...wanted, from: at(1) })).toMatchObject({
      complete: false,
      reason: "retention has removed it",
    });
    expect(await inventory.continuity({ ...wanted, from: at(2) })).toMatchObject({
      complete: false,
      reason: "it is not in the repository",
    });
  });

  it("goes with everything that lies beside its segment", async () => {
    const layout = serverLayout("primary");
    await openServerIdentity(repository.storage, "primary").write({ systemIdentifier: "7412345678901234567", segmentSize });
    const name = (number: number): string => `0000000100000000${number.toString(16).toUpperCase().padStart(8, "0")}`;
    const suffixes = [".zstd", ".partial", ".partial.pushed", ".partial.pushed.gz.aes", ".partial.unsynced", ".partial.unsynced-2", ".partial.zstd.aes", ".00000028.backup"];
    for (const number of [5, 20]) for (const suffix of suffixes) await repository.put(layout.walFile(name(number) + suffix), "x");
    await repository.put(layout.walFile(`${name(5)}.strange`), "x");
    const recent = backup({ segment: 20 });
    const survey = await surveyWal({
      storage: repository.storage,
      layout,
      abandoned: false,
      kept: [recent],
      recovery: [recent],
      foreignBeside: () => [],
      inUse: [],
      youngerThan: () => Infinity,
    });
    expect(survey.files.map((file) => file.name).sort()).toEqual(suffixes.map((suffix) => name(5) + suffix).sort());
  });
});
