import { describe, expect, it } from "vitest";
import { asideCopies } from "../../../src/repository/index.ts";
import { giveUpPartial } from "../../../src/wal/partial-file.ts";
import { at, eachTestHasStoredWal, segmentOf } from "./stored-wal.ts";

const stored = eachTestHasStoredWal();
const name = `primary/wal/${segmentOf(1, 4)}.partial`;

async function giveUp(content: string, acknowledged = Infinity): Promise<void> {
  await stored.put(name, content);
  giveUpPartial(stored.storage.absolutePath(name), acknowledged);
}

describe("what was acknowledged before the disk failed", () => {
  it("is kept in its longest form, however often the disk fails, whatever else was received", async () => {
    await giveUp("short");
    await giveUp("the longest");
    await giveUp("longer");
    await giveUp("short, the rest was never acknowledged", 5);
    await giveUp("never acknowledged, so of no use", 0);
    expect(await stored.text(`${name}.unsynced`)).toBe("the longest");
    expect((await stored.storage.list("primary/wal")).map((entry) => entry.name)).toEqual([`${segmentOf(1, 4)}.partial.unsynced`]);
  });

  it("is all that a file set aside holds", async () => {
    await giveUp("acknowledged and what came after it", "acknowledged".length);
    expect(await stored.text(`${name}.unsynced`)).toBe("acknowledged");
  });

  it("is named as long as nothing durable reaches as far", async () => {
    const copies = () => asideCopies(stored.storage, stored.inventory);
    await stored.segments(1, 3);
    expect(await copies()).toEqual([]);
    await giveUp("x".repeat(100));
    expect(await copies()).toMatchObject([{ segment: segmentOf(1, 4), timeline: 1, end: at(4, 100), durableEnd: at(4) }]);
    await stored.partial(1, 4, 99);
    expect(await copies()).toHaveLength(1);
    await stored.partial(1, 4, 100);
    expect(await copies()).toEqual([]);
  });
});
