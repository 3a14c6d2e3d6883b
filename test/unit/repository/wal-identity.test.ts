import { describe, expect, it } from "vitest";
import { createDataKey } from "../../../src/encryption/index.ts";
import { createPipeline, type PipelineSpec } from "../../../src/pipeline/index.ts";
import { identityOfStoredWal } from "../../../src/repository/index.ts";
import { eachTestHasARepository } from "./test-repository.ts";

const repository = eachTestHasARepository();
const megabyte = 1024 * 1024;
const name = "000000010000000000000003";
const path = (file: string): string => `primary/wal/${file}`;

/** The third segment of a cluster, by its first page. */
function segment(systemIdentifier = 42n, number = 3, segmentSize = megabyte): Buffer {
  const bytes = Buffer.alloc(megabyte, 7);
  bytes.writeUInt16LE(0xd110, 0);
  bytes.writeUInt16LE(2, 2);
  bytes.writeUInt32LE(1, 4);
  bytes.writeBigUInt64LE(BigInt(number * megabyte), 8);
  bytes.writeUInt32LE(0, 16);
  bytes.writeBigUInt64LE(systemIdentifier, 24);
  bytes.writeUInt32LE(segmentSize, 32);
  bytes.writeUInt32LE(8192, 36);
  return bytes;
}

async function store(spec: PipelineSpec, content: Buffer): Promise<void> {
  const pipeline = await createPipeline({ spec, dataKey: createDataKey(), hash: "sha256", memoryBytes: 8 * megabyte, concurrency: 1 });
  const sink = await repository.storage.createFile(path(name + pipeline.suffix));
  const file = pipeline.openFile(sink);
  await file.write(content);
  await file.finish();
  await sink.commit();
  await pipeline.close();
}

const identity = () => identityOfStoredWal(repository.storage, "primary");

describe("the cluster that stored WAL comes from", () => {
  it("is not known where none is stored, or a segment was just begun", async () => {
    expect(await identity()).toBeUndefined();
    await repository.put(path(`${name}.partial`), Buffer.alloc(megabyte));
    expect(await identity()).toBeUndefined();
  });

  it.each(["", ".partial"])("is read from a segment as it was received (%o)", async (suffix) => {
    await repository.put(path(name + suffix), segment());
    expect(await identity()).toEqual({ systemIdentifier: "42", segmentSize: megabyte });
  });

  it.each(["zstd", "lz4", "gzip", "bzip2"] as const)("is read from a segment archived with %s", async (compression) => {
    await store({ compression, encryption: "none" }, segment());
    expect(await identity()).toEqual({ systemIdentifier: "42", segmentSize: megabyte });
  });

  it("is told by the next segment when one is damaged, and by none when there is no other", async () => {
    await repository.put(path(name), Buffer.alloc(megabyte, 1));
    await expect(identity()).rejects.toMatchObject({ code: "SERVER_IDENTITY_DAMAGED" });
    await repository.put(path(name), segment(42n, 4));
    await expect(identity()).rejects.toMatchObject({ code: "SERVER_IDENTITY_DAMAGED" });
    await repository.put(path("000000010000000000000004"), segment(42n, 4));
    expect(await identity()).toMatchObject({ systemIdentifier: "42" });
  });

  it("is not guessed from what cannot be decrypted", async () => {
    await store({ compression: "zstd", encryption: "aes-256-gcm" }, segment());
    await expect(identity()).rejects.toMatchObject({ code: "SERVER_IDENTITY_DAMAGED" });
  });
});
