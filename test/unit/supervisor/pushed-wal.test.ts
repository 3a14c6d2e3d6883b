import { describe, expect, it } from "vitest";
import { openWalInventory, openWalPushes } from "../../../src/repository/index.ts";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { createPushWatch, pushProblems } from "../../../src/supervisor/pushed-wal.ts";
import type { SupervisedServer } from "../../../src/supervisor/server.ts";
import { createWalLedger } from "../../../src/supervisor/wal-ledger.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";
import { segmentOf } from "../wal/stored-wal.ts";
import { createRecordingLogger } from "./stand-ins.ts";

const repository = eachTestHasARepository();
const megabyte = 1024 * 1024;

/** The part of a server that is looked at. */
function serverLike() {
  const facts = { walBytes: 0, gaps: 1 };
  const woken: number[] = [];
  const server = {
    name: "primary",
    wal: createWalLedger(),
    state: () => ({ walSegmentSize: megabyte }),
    record: {
      add: (_field: string, bytes: number) => (facts.walBytes += bytes),
      set: (fields: { gaps: number }) => Object.assign(facts, fields),
    },
    secondCopy: { wake: () => woken.push(1) },
  } as unknown as SupervisedServer;
  return { server, facts, woken };
}

describe("what archive_command brings while a daemon runs", () => {
  it("is in memory after the next look, gaps are counted anew, and the second copy hears of it", async () => {
    const { server, facts, woken } = serverLike();
    const { logger } = createRecordingLogger();
    const pushes = openWalPushes(repository.storage, "primary");
    await pushes.taken(segmentOf(1, 6), 1, 10);
    const { gaps } = openWalInventory(repository.storage, "primary", megabyte);
    await gaps.add({ timeline: timelineId(1), from: lsn(7 * megabyte), to: lsn(9 * megabyte), detectedAt: 0, reason: "removed" });
    const look = createPushWatch(server, { storage: repository.storage, logger });
    await look();
    // Of what was there before everything else was read.
    expect([server.wal.stretches, facts, woken.length]).toEqual([[], { walBytes: 0, gaps: 1 }, 0]);
    for (const number of [7, 8]) {
      await gaps.fill({ timeline: timelineId(1), from: lsn(number * megabyte), to: lsn((number + 1) * megabyte) });
      await pushes.taken(segmentOf(1, number), number, 100);
    }
    await look();
    await look();
    expect(server.wal.stretches).toEqual([{ timeline: 1, start: BigInt(7 * megabyte), end: BigInt(9 * megabyte) }]);
    expect([facts, woken.length]).toEqual([{ walBytes: 200, gaps: 0 }, 1]);
  });

  it("is read from the directory when it is more than is noted by name", async () => {
    const { server } = serverLike();
    const look = createPushWatch(server, { storage: repository.storage, logger: createRecordingLogger().logger });
    await look();
    const pushes = openWalPushes(repository.storage, "primary");
    for (let number = 1; number <= 70; number += 1) {
      await repository.put(`primary/wal/${segmentOf(1, number)}.zstd`, "archived");
      await pushes.taken(segmentOf(1, number), number, 1);
    }
    await look();
    expect(server.wal.stretches).toMatchObject([{ start: BigInt(megabyte), end: BigInt(71 * megabyte) }]);
  });

  it("and is refused is said once, is a problem in status, and is none any more when the right one came", async () => {
    const { server } = serverLike();
    const { logger, records } = createRecordingLogger();
    const pushes = openWalPushes(repository.storage, "primary");
    await pushes.refused({ name: segmentOf(1, 7), at: 5, message: "segment 7 was pushed with other content" });
    const look = createPushWatch(server, { storage: repository.storage, logger });
    await look();
    await pushes.taken(segmentOf(1, 8), 6, 100);
    await look();
    expect(records.filter(({ level }) => level === "error").map(({ fields }) => fields["file"])).toEqual([segmentOf(1, 7)]);
    expect(pushProblems(server)).toMatchObject([{ code: "WAL_SEGMENT_CONFLICT", message: "segment 7 was pushed with other content" }]);
    await pushes.taken(segmentOf(1, 7), 7, undefined);
    await look();
    expect(pushProblems(server)).toEqual([]);
  });
});
