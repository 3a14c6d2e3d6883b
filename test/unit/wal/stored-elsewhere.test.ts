import { describe, expect, it } from "vitest";
import type { TimelineHistory } from "../../../src/postgres/index.ts";
import { findStartPoint, type StartPoint } from "../../../src/wal/start-point.ts";
import { skipStoredElsewhere } from "../../../src/wal/stored-elsewhere.ts";
import { findNewHoles } from "../../../src/wal/continuity.ts";
import { at, eachTestHasStoredWal, history } from "./stored-wal.ts";

const stored = eachTestHasStoredWal();

async function startFrom(line: TimelineHistory, slotRestart: ReturnType<typeof at> | undefined): Promise<StartPoint> {
  const found = await findStartPoint(stored.inventory, { history: line, xlogpos: at(100), slotRestart });
  return skipStoredElsewhere(stored.inventory, found, line, slotRestart);
}

const holes = async (line: TimelineHistory, next: StartPoint): Promise<unknown[]> => [...(await findNewHoles(stored.storage, stored.inventory, line, next))];

describe("a server that takes over again begins", () => {
  it("with what its slot keeps; what the followed server received meanwhile is no gap", async () => {
    await stored.segments(1, 5, 6);
    await stored.partial(1, 7, 1000);
    const start = await startFrom(history(1), at(40, 77));
    expect(start).toMatchObject({ timeline: 1, start: at(40), existingEnd: at(40) });
    expect(await stored.inventory.pruned.list()).toEqual([{ timeline: 1, from: at(7), to: at(40) }]);
    expect(await holes(history(1), start)).toEqual([]);
  });

  it("on the timeline that the slot is on, with those between as well", async () => {
    await stored.segments(1, 5, 6);
    const line = history(3, [1, at(20, 500)], [2, at(30)]);
    const start = await startFrom(line, at(40));
    expect(start).toMatchObject({ timeline: 3, start: at(40) });
    expect(await stored.inventory.pruned.list()).toEqual([
      { timeline: 1, from: at(7), to: at(21) },
      { timeline: 2, from: at(20), to: at(30) },
      { timeline: 3, from: at(30), to: at(40) },
    ]);
    expect(await holes(line, start)).toEqual([]);
  });

  it("where it was, when the slot keeps that, or says nothing, or nothing is stored", async () => {
    expect(await startFrom(history(1), at(40))).toMatchObject({ start: at(40), durable: undefined });
    await stored.segments(1, 5, 6);
    expect(await startFrom(history(1), at(6))).toMatchObject({ start: at(7) });
    expect(await startFrom(history(1), at(7, 50))).toMatchObject({ start: at(7) });
    expect(await startFrom(history(1), undefined)).toMatchObject({ start: at(7) });
    expect(await stored.inventory.pruned.list()).toEqual([]);
  });
});
