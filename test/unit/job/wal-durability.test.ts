import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobEnvironment } from "../../../src/job/job.ts";
import { createWalDurability } from "../../../src/job/wal-durability.ts";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { createSegment, openStateWriter, type ServerState } from "../../../src/state/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { createManualClock, createRecordingLogger, settled } from "../supervisor/stand-ins.ts";

const segmentSize = 1024 * 1024;
const range = {
  timeline: timelineId(1),
  from: lsn(2n * BigInt(segmentSize)),
  to: lsn(3n * BigInt(segmentSize) + 100n),
  segmentSize,
};
let directory: string;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "mw"));
  await mkdir(join(directory, "primary", "wal"), { recursive: true });
});
afterEach(() => rmSync(directory, { recursive: true }));

function setUp() {
  const clock = createManualClock();
  const writer = openStateWriter(createSegment({ servers: 1, jobs: 0 })).server(0);
  const listeners = new Set<() => void>();
  const environment = {
    clock,
    logger: createRecordingLogger().logger,
    server: { name: "primary" },
    storage: openLocalStorage(directory),
    serverState: () => writer.read(),
    onServerChange: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  } as unknown as JobEnvironment;
  const change = async (state: Partial<ServerState>): Promise<void> => {
    writer.set(state);
    for (const listener of [...listeners]) listener();
    await settled();
  };
  const abort = new AbortController();
  const wal = createWalDurability(environment);
  const wait = (): { outcome: Promise<string>; settledAs: () => string | undefined } => {
    let result: string | undefined;
    const outcome = wal.waitUntilDurable(range, abort.signal).then(
      () => (result = "durable"),
      (error: unknown) => (result = (error as { code: string }).code),
    );
    return { outcome, settledAs: () => result };
  };
  return { wal, clock, change, wait, abort, listeners };
}

const streaming: Partial<ServerState> = {
  process: "running",
  receiver: "streaming",
  timeline: 1,
  walSegmentSize: segmentSize,
};

async function store(...names: readonly string[]): Promise<void> {
  for (const name of names) await writeFile(join(directory, "primary", "wal", name), Buffer.alloc(segmentSize, 1));
}

describe("the WAL of a backup", () => {
  it("is waited for until the receiver has made it durable, and then looked at in the repository", async () => {
    const { wal, change, wait, listeners } = setUp();
    await store("000000010000000000000002", "000000010000000000000003");
    expect(wal.receiverRunning()).toBe(false);
    await change(streaming);
    expect(wal.receiverRunning()).toBe(true);
    const waiting = wait();
    await change({ flushLsn: range.to - 1n });
    expect(waiting.settledAs()).toBeUndefined();
    await change({ flushLsn: range.to });
    expect(await waiting.outcome).toBe("durable");
    expect(listeners.size).toBe(0);
  });

  it("is not there because the receiver says so: a missing segment makes the backup fail", async () => {
    const { change, wait } = setUp();
    await store("000000010000000000000003");
    await change({ ...streaming, flushLsn: range.to });
    expect(await wait().outcome).toBe("BACKUP_WAL_MISSING");
  });

  it("may take a receiver that comes back, but not one that stays away", async () => {
    const { change, wait, clock } = setUp();
    await store("000000010000000000000002", "000000010000000000000003");
    await change({ ...streaming, flushLsn: 1n });
    const patient = wait();
    await change({ receiver: "stopped", process: "backoff" });
    await clock.advance(60_000);
    await change({ ...streaming, flushLsn: range.to });
    expect(await patient.outcome).toBe("durable");

    await change({ receiver: "refused", error: "WAL_DIVERGED", flushLsn: 1n });
    const hopeless = wait();
    await settled();
    await clock.advance(120_000);
    expect(await hopeless.outcome).toBe("BACKUP_WAL_MISSING");
  });

  it("is not waited for any longer when a receiver that should stream brings nothing, but is while it does", async () => {
    const { change, wait, clock } = setUp();
    await change({ ...streaming, flushLsn: 1n });
    const waiting = wait();
    await settled();
    for (const flushLsn of [2n, 3n, 4n]) {
      await clock.advance(119_000);
      await change({ flushLsn });
    }
    await clock.advance(60_000);
    // News that bring no WAL are none.
    await change({ serverEndLsn: 100n });
    await clock.advance(59_000);
    expect(waiting.settledAs()).toBeUndefined();
    await clock.advance(1_000);
    expect(await waiting.outcome).toBe("BACKUP_WAL_MISSING");
  });

  it("of a timeline that was left is complete when the next one is received", async () => {
    const { change, wait } = setUp();
    await store("000000010000000000000002", "000000010000000000000003");
    await change({ ...streaming, timeline: 2, flushLsn: 0n });
    expect(await wait().outcome).toBe("durable");
  });

  it("is not waited for any more when the job is cancelled", async () => {
    const { change, wait, abort, listeners } = setUp();
    await change(streaming);
    const waiting = wait();
    await settled();
    abort.abort();
    expect(await waiting.outcome).toBe("ABORTED");
    expect(listeners.size).toBe(0);
  });
});
