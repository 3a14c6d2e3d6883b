import { describe, expect, it } from "vitest";
import { formatHistory, timelineId, type TimelineHistory } from "../../../src/postgres/index.ts";
import type { BackupInfo } from "../../../src/repository/index.ts";
import { chooseTimeline } from "../../../src/restore/choose-timeline.ts";
import { at, eachTestHasStoredWal, history } from "../wal/stored-wal.ts";

const stored = eachTestHasStoredWal();
const backup = { label: "20261120090000", endTimeline: timelineId(1), endLsn: at(3, 200) } as BackupInfo;
const fork = at(6, 5000);
const promoted = history(2, [1, fork]);
const choose = (wanted?: 1 | 2): Promise<TimelineHistory> => chooseTimeline(wanted === undefined ? undefined : timelineId(wanted), backup, stored.inventory);

async function failover(): Promise<void> {
  await stored.segments(1, 3, 4, 5);
  await stored.partial(1, 6, 5000);
  await stored.inventory.histories.write(timelineId(2), Buffer.from(formatHistory(promoted)));
}

describe("a timeline whose WAL does not come up to its own beginning", () => {
  // Its first segment begins with what was written before the fork: until that is received again, only the parent has it.
  it.each([
    ["is only begun", 0],
    ["ends within what was written before the fork", 4096],
  ])("is no way to the end of the archive when its first segment %s", async (_what, bytes) => {
    await failover();
    await stored.partial(2, 6, bytes);
    const complaint = { code: "RESTORE_TARGET_UNREACHABLE", message: expect.stringMatching(/timeline=1/) as string };
    await expect(choose()).rejects.toMatchObject(complaint);
    await expect(choose(2)).rejects.toMatchObject(complaint);
    await expect(choose(1)).resolves.toMatchObject({ timeline: 1 });
  });

  it("is followed as soon as all before the fork is there", async () => {
    await failover();
    await stored.partial(2, 6, 5000);
    expect(await choose()).toMatchObject({ timeline: 2 });
    expect(await choose(2)).toMatchObject({ timeline: 2 });
  });

  it("is followed when no ancestor has more than that", async () => {
    await stored.segments(1, 3, 4, 5);
    await stored.partial(1, 6, 1000);
    await stored.inventory.histories.write(timelineId(2), Buffer.from(formatHistory(promoted)));
    await stored.partial(2, 6, 4096);
    expect(await choose()).toMatchObject({ timeline: 2 });
    expect(await choose(2)).toMatchObject({ timeline: 2 });
  });

  it("is measured against every ancestor that it left within the segment", async () => {
    await failover();
    const again = history(3, [1, fork], [2, at(6, 7000)]);
    await stored.inventory.histories.write(timelineId(3), Buffer.from(formatHistory(again)));
    await stored.partial(3, 6, 4096);
    await expect(choose()).rejects.toThrow(/timeline=1/);
    await stored.partial(2, 6, 6000);
    await stored.partial(3, 6, 5000);
    await expect(choose()).rejects.toThrow(/timeline=2/);
    await stored.partial(3, 6, 6000);
    expect(await choose()).toMatchObject({ timeline: 3 });
  });

  it("is followed when it begins with a segment of its own", async () => {
    await stored.segments(1, 3, 4, 5);
    await stored.inventory.histories.write(timelineId(2), Buffer.from(formatHistory(history(2, [1, at(6)]))));
    await expect(choose()).rejects.toThrow(/timeline=1/);
    await stored.partial(2, 6, 0);
    expect(await choose()).toMatchObject({ timeline: 2 });
  });
});

describe("WAL of a timeline without a history", () => {
  it("may be what happened after the backup: the end of the archive is not known then", async () => {
    await failover();
    await stored.partial(2, 6, 6000);
    expect(await choose()).toMatchObject({ timeline: 2 });
    await stored.storage.removeFile("primary/wal/00000002.history");
    await expect(choose()).rejects.toThrow(/00000002\.history.*timeline=1/);
    await expect(choose(2)).rejects.toThrow(/00000002\.history/);
    expect(await choose(1)).toMatchObject({ timeline: 1 });
  });
});
