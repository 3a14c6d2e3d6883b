import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { timelineId } from "../../../src/postgres/index.ts";
import type { Connection } from "../../../src/replication/index.ts";
import type { ReceiverEvent } from "../../../src/wal/index.ts";
import { recordNewGaps } from "../../../src/wal/gaps.ts";
import { fetchHistories } from "../../../src/wal/histories.ts";
import { at, eachTestHasStoredWal, history } from "./stored-wal.ts";

const stored = eachTestHasStoredWal();

describe("damaged files beside the WAL do not keep WAL from being received", () => {
  it("a list of gaps is kept aside and made anew from what is missing", async () => {
    const { storage, inventory } = stored;
    await stored.segments(1, 3, 5);
    await stored.put("primary/wal_gaps.json", "{ torn");
    const events: ReceiverEvent[] = [];
    const recorder = { storage, inventory, logger: silentLogger, clock: systemClock, report: (event: ReceiverEvent) => void events.push(event) };
    await recordNewGaps(recorder, history(1), { timeline: timelineId(1), start: at(6), existingEnd: at(6), durable: at(6) });
    expect(await inventory.gaps.list()).toMatchObject([{ timeline: 1, from: at(4), to: at(5) }]);
    expect(events).toHaveLength(1);
    expect(await stored.text("primary/wal_gaps.json.damaged")).toBe("{ torn");
  });

  it("history files of the server's timeline and of its ancestor are replaced by the server's own", async () => {
    const contents = ["", "", "1\t0/300000\tfirst\n", "1\t0/300000\tfirst\n2\t0/500000\tsecond\n"];
    // The server's side of TIMELINE_HISTORY: one row with the name and the content of the file.
    const connection = {
      isClosed: false,
      query: (sql: string) => {
        const id = Number(/[0-9]+/.exec(sql)?.[0]);
        const row = [`0000000${id}.history`, contents[id] ?? ""];
        return Promise.resolve([{ columns: ["filename", "content"], rows: [row], tag: "" }]);
      },
    } as unknown as Connection;
    await stored.put("primary/wal/00000002.history", "no history at all\n");
    await stored.put("primary/wal/00000003.history", Buffer.from([0xff, 0xfe, 1, 2]));
    const { histories } = stored.inventory;
    const found = await fetchHistories({ connection, histories, logger: silentLogger, signal: new AbortController().signal }, timelineId(3));
    expect(found.entries).toHaveLength(2);
    for (const id of [2, 3]) expect((await histories.content(timelineId(id)))?.toString()).toBe(contents[id]);
  });
});
