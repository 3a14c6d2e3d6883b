import { describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/log/index.ts";
import type { ServerFacts } from "../../../src/replication/index.ts";
import { openServerIdentity } from "../../../src/repository/index.ts";
import { openInventoryOf } from "../../../src/wal/cluster-identity.ts";
import type { ReceiverOptions } from "../../../src/wal/index.ts";
import { eachTestHasARepository } from "../repository/test-repository.ts";
import { megabyte, segment } from "./segment.ts";

const repository = eachTestHasARepository();

/** The segment's first page, as a cluster called 42 writes it. */
function ofCluster42(): Buffer {
  const bytes = Buffer.alloc(megabyte);
  bytes.writeUInt32LE(0x0002d110, 0);
  bytes.writeUInt32LE(1, 4);
  bytes.writeBigUInt64LE(3n * BigInt(megabyte), 8);
  bytes.writeBigUInt64LE(42n, 24);
  bytes.writeUInt32LE(megabyte, 32);
  bytes.writeUInt32LE(8192, 36);
  return bytes;
}

describe("WAL that nobody remembers the cluster of", () => {
  it("is continued by its own cluster only, which is remembered then", async () => {
    const { storage } = repository;
    await repository.put(`primary/wal/${segment}`, ofCluster42());
    const contact = (systemIdentifier: string) =>
      openInventoryOf(
        { server: "primary", storage } as ReceiverOptions,
        { systemIdentifier, segmentSize: megabyte, host: "db" } as ServerFacts,
        silentLogger,
      );
    await expect(contact("43")).rejects.toMatchObject({ code: "WAL_OTHER_CLUSTER" });
    expect(await openServerIdentity(storage, "primary").read()).toBeUndefined();
    await contact("42");
    expect(await openServerIdentity(storage, "primary").read()).toEqual({ systemIdentifier: "42", segmentSize: megabyte });
  });
});

describe("a record of the cluster that cannot be read", () => {
  const contact = (systemIdentifier: string) =>
    openInventoryOf(
      { server: "primary", storage: repository.storage } as ReceiverOptions,
      { systemIdentifier, segmentSize: megabyte, host: "db" } as ServerFacts,
      silentLogger,
    );
  const path = "primary/identity.json";

  it.each(["", "{}", '{"version":3}', "\0".repeat(100)])("is made anew from the stored WAL, and kept aside (%j)", async (content) => {
    const { storage } = repository;
    await repository.put(`primary/wal/${segment}`, ofCluster42());
    await repository.put(path, Buffer.from(content));
    await contact("42");
    expect(await openServerIdentity(storage, "primary").read()).toEqual({ systemIdentifier: "42", segmentSize: megabyte });
    expect((await storage.readFile(`${path}.damaged`, 1000)).toString()).toBe(content);
    await repository.put(path, Buffer.from(content));
    await expect(contact("43")).rejects.toMatchObject({ code: "WAL_OTHER_CLUSTER" });
    await contact("42");
  });

  it("stays what it is without any WAL: nobody else knows", async () => {
    await repository.put(path, Buffer.from("{"));
    await expect(contact("42")).rejects.toMatchObject({ code: "SERVER_IDENTITY_DAMAGED", message: expect.stringContaining(path) as string });
    expect((await repository.storage.readFile(path, 1000)).toString()).toBe("{");
  });
});
