/** Segments that stay unfinished for ever: beside the complete one, and at the end of an earlier cluster's WAL. */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { createDataKey } from "../../../src/encryption/index.ts";
import { createLogger, type LogRecord } from "../../../src/log/index.ts";
import type { PipelineSpec } from "../../../src/pipeline/index.ts";
import { lsn, lsnPlus, timelineId } from "../../../src/postgres/index.ts";
import { openServerIdentity, openWalInventory, readSegment, serverLayout } from "../../../src/repository/index.ts";
import { runArchiver, type ArchiverKeys, type ReceivingAt } from "../../../src/wal/index.ts";
import { findStartPoint } from "../../../src/wal/start-point.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { withoutSyncs } from "../../support/without-syncs.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";
import { megabyte } from "./segment.ts";
import { at, history, segmentOf } from "./stored-wal.ts";

withoutSyncs();
const repository = eachTestHasARepository();
const key = createDataKey();
const keys: ArchiverKeys = { currentId: async () => key.id, current: async () => key, ring: async () => (id) => (id === key.id ? key : undefined) };
const sealed: PipelineSpec = { compression: "gzip", encryption: "aes-256-gcm" };
const present = serverLayout("primary");
const former = serverLayout("primary", "41");

/** A segment of a cluster as PostgreSQL begins it. */
function segment(number: number, system: bigint): Buffer {
  const bytes = Buffer.from(sampleBytes(megabyte, "text", number));
  bytes.writeUInt16LE(0xd110, 0);
  bytes.writeUInt16LE(2, 2);
  bytes.writeUInt32LE(1, 4);
  bytes.writeBigUInt64LE(BigInt(number * megabyte), 8);
  bytes.writeUInt32LE(0, 16);
  bytes.writeBigUInt64LE(system, 24);
  bytes.writeUInt32LE(megabyte, 32);
  bytes.writeUInt32LE(8192, 36);
  return bytes;
}

async function archive(spec: PipelineSpec = sealed, receiving?: ReceivingAt): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  await runArchiver(
    { server: "primary", storage: repository.storage, spec, keys, hash: "sha256", workers: 2, idleMs: 1, receiving: () => receiving },
    {
      clock: systemClock,
      logger: createLogger([], "info", (record) => records.push(record)),
      signal: new AbortController().signal,
      onSegment: () => () => undefined,
      archived: () => undefined,
    },
  );
  return records;
}

const namesIn = async (directory: string): Promise<string[]> => (await repository.storage.list(directory)).map(({ name }) => name).sort();
const inventoryOf = (layout = present) => openWalInventory(repository.storage, layout, megabyte);

async function read(name: string, layout: typeof present, systemIdentifier: string): Promise<{ readonly bytes: Buffer; readonly end: bigint }> {
  const pieces: Buffer[] = [];
  const source = { storage: repository.storage, inventory: inventoryOf(layout), systemIdentifier, keys: keys.ring };
  const found = await readSegment(source, name, (piece) => void pieces.push(Buffer.from(piece)));
  return { bytes: Buffer.concat(pieces), end: found?.end ?? 0n };
}

describe("the last segment of an earlier cluster", () => {
  const [whole, last] = [segmentOf(1, 3), segmentOf(1, 4)];
  const bytes = 300_000;

  it("gets its final form as far as it goes, and is read as before", async () => {
    await openServerIdentity(repository.storage, present).write({ systemIdentifier: "42", segmentSize: megabyte });
    await openServerIdentity(repository.storage, former).write({ systemIdentifier: "41", segmentSize: megabyte });
    await repository.put(former.walFile(`${last}.partial`), segment(4, 41n).subarray(0, bytes));
    // As it is where nothing changes its form.
    await archive({ compression: "none", encryption: "none" });
    expect(await namesIn(former.wal)).toEqual([`${last}.partial`]);
    await repository.put(former.walFile(whole), segment(3, 41n));
    await archive();
    expect(await namesIn(former.wal)).toEqual([`${whole}.gz.aes`, `${last}.partial.gz.aes`]);
    expect(await inventoryOf(former).durableEnd(timelineId(1))).toMatchObject({ lsn: at(4, bytes), location: { form: "partial" } });
    const { bytes: plain, end } = await read(last, former, "41");
    expect(plain.equals(segment(4, 41n).subarray(0, bytes))).toBe(true);
    expect(end).toBe(at(4, bytes));
    const wanted = { from: at(3), history: history(1) };
    expect(await inventoryOf(former).continuity({ ...wanted, to: at(4, bytes) })).toMatchObject({ complete: true });
    expect(await inventoryOf(former).continuity({ ...wanted, to: at(4, bytes + 8) })).toMatchObject({ complete: false, firstMissing: last });
    // Nothing is left to do.
    await archive();
    expect(await namesIn(former.wal)).toEqual([`${whole}.gz.aes`, `${last}.partial.gz.aes`]);
  });

  it("is received anew when that cluster is back, and gives way to the complete one, which must begin as it does", async () => {
    await openServerIdentity(repository.storage, present).write({ systemIdentifier: "41", segmentSize: megabyte });
    await openServerIdentity(repository.storage, former).write({ systemIdentifier: "41", segmentSize: megabyte });
    await repository.put(former.walFile(`${last}.partial`), segment(4, 41n).subarray(0, bytes));
    await archive();
    for (const part of ["wal", "walIndex"] as const) await repository.storage.move(former[part], present[part]);
    const found = await findStartPoint(inventoryOf(), { history: history(1), xlogpos: at(9), slotRestart: undefined });
    expect(found).toMatchObject({ start: at(4), existingEnd: at(4), durable: at(4, bytes) });
    const other = segment(4, 41n);
    other[1000] = (other[1000] ?? 0) ^ 1;
    await repository.put(present.walFile(last), other);
    await expect(archive()).rejects.toMatchObject({ code: "WAL_SEGMENT_CONFLICT" });
    expect(await namesIn(present.wal)).toEqual([last, `${last}.partial.gz.aes`]);
    await repository.put(present.walFile(last), segment(4, 41n));
    await archive();
    expect(await namesIn(present.wal)).toEqual([`${last}.gz.aes`]);
    expect((await read(last, present, "41")).bytes.equals(segment(4, 41n))).toBe(true);
  });
});

describe("what was received of a segment that came whole by another way", () => {
  const name = segmentOf(1, 7);
  const partial = `${name}.partial`;

  async function stored(begins: Buffer): Promise<void> {
    await openServerIdentity(repository.storage, present).write({ systemIdentifier: "42", segmentSize: megabyte });
    await repository.put(present.walFile(name), segment(7, 42n));
    await archive();
    await repository.put(present.walFile(partial), begins);
  }

  it("goes", async () => {
    await stored(segment(7, 42n).subarray(0, 200_000));
    const records = await archive();
    expect(await namesIn(present.wal)).toEqual([`${name}.gz.aes`]);
    expect(records.map(({ message }) => message)).toEqual([`${partial} is removed: the segment is stored whole`]);
  });

  it.each([
    ["the receiver may be at it", at(7, 5)],
    ["the receiver has just begun", lsn(0n)],
  ])("stays while %s", async (_, position) => {
    await stored(segment(7, 42n).subarray(0, 200_000));
    await archive(sealed, { timeline: timelineId(1), lsn: position });
    expect(await namesIn(present.wal)).toEqual([`${name}.gz.aes`, partial]);
    await archive(sealed, { timeline: timelineId(1), lsn: lsnPlus(at(8), 0) });
    expect(await namesIn(present.wal)).toEqual([`${name}.gz.aes`]);
  });

  it("is kept, and said, when it is not its beginning", async () => {
    const other = segment(7, 42n).subarray(0, 200_000);
    other[150_000] = (other[150_000] ?? 0) ^ 1;
    await stored(other);
    const records = await archive();
    expect(await namesIn(present.wal)).toEqual([`${name}.gz.aes`, partial]);
    expect(records.map(({ level }) => level)).toEqual(["error"]);
  });
});
