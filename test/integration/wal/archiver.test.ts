import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { openServerIdentity, openWalInventory } from "../../../src/repository/index.ts";
import { openLocalStorage } from "../../../src/storage/index.ts";
import { runArchiver } from "../../../src/wal/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

it("gives finished segments their final form, which the public tool reads, and leaves partial ones alone", async () => {
  const storage = openLocalStorage(temporaryDirectory().path);
  await openServerIdentity(storage, "primary").write({ systemIdentifier: "1", segmentSize: 1024 * 1024 });
  await storage.makeDirectory("primary/wal");
  const wal = storage.absolutePath("primary/wal");
  const content = Buffer.alloc(1024 * 1024, "write-ahead log ");
  await writeFile(join(wal, "000000010000000000000001"), content);
  await writeFile(join(wal, "000000010000000000000002"), content);
  await writeFile(join(wal, "000000010000000000000003.partial"), content.subarray(0, 1000));
  const result = await runArchiver(
    { server: "primary", storage, spec: { compression: "zstd", encryption: "none" }, hash: "sha256", workers: 2, idleMs: 1 },
    { clock: systemClock, logger: silentLogger, signal: new AbortController().signal, onSegment: () => () => undefined, archived: () => undefined },
  );
  expect(result.segments).toBe(2);
  expect((await readdir(wal)).sort()).toEqual([
    "000000010000000000000001.zstd",
    "000000010000000000000002.zstd",
    "000000010000000000000003.partial",
  ]);
  const decoded = spawnSync("zstd", ["-dc", join(wal, "000000010000000000000001.zstd")], { maxBuffer: 1 << 24 });
  expect(decoded.stdout.equals(content)).toBe(true);
  const record = await openWalInventory(storage, "primary", 1024 * 1024).lookup("000000010000000000000001");
  expect(record?.plainDigest).toBe(createHash("sha256").update(content).digest("hex"));
  expect(record?.storedDigest).toBe(createHash("sha256").update(await readFile(join(wal, "000000010000000000000001.zstd"))).digest("hex"));
});
