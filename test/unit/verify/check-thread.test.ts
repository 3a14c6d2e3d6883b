/** Threads that check files by themselves: what they say of a file, whatever is wrong with it, and how they end. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lsn, type PageVerifierOptions } from "../../../src/postgres/index.ts";
import { createCheckThreads, type CheckTask } from "../../../src/verify/check-thread.ts";
import { requires } from "../../support/requires.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { storeSample } from "../pipeline/stored-files.ts";

const MiB = 1024 * 1024;
const pages: PageVerifierOptions = { path: "base/5/16384", startLsn: lsn(0xffff_ffff_ffffn), blockSize: 8192, relationSegmentBlocks: 131_072 };
const root = temporaryDirectory().path;
const threads = createCheckThreads(2, root);
afterAll(() => threads.close());

/** Stores a file of noise under `path`; what is known of it. */
async function store(path: string, length: number): Promise<CheckTask> {
  const { bytes, measures } = await storeSample(sampleBytes(length), { compression: "none", encryption: "none" });
  writeFileSync(join(root, path), bytes);
  const { chunks, headerSize, plainSize, plainDigest, storedSize, storedDigest } = measures;
  return { path, chunks, headerSize, hash: "sha256", expected: { plainSize, plainDigest, storedSize, storedDigest }, pages: undefined };
}

test("say yes to what is as it was, large and small side by side, and look at pages where they are told to", async () => {
  const lengths = [0, 1, 8192, 255 * 1024, MiB, 5 * MiB + 8192 + 7, 3, 20_000, 2 * MiB];
  const tasks = await Promise.all(lengths.map((length, number) => store(`good-${number}`, length)));
  expect(await Promise.all(tasks.map((task) => threads.check(task)))).toEqual(lengths.map(() => undefined));
  const reports = await Promise.all(tasks.map((task) => threads.check({ ...task, pages })));
  expect(reports.map((report) => report?.pages ?? 0)).toEqual(lengths.map((length) => Math.floor(length / 8192)));
  // Noise is full of damaged pages.
  expect(reports.at(-1)?.badCount).toBeGreaterThan(0);
});

describe("say no, and go on", () => {
  let task: CheckTask;
  let path: string;
  beforeAll(async () => {
    task = await store("file", 2 * MiB + 77);
    path = join(root, task.path);
  });
  const answer = (wanted: CheckTask): Promise<string> => threads.check(wanted).then(
    () => "yes",
    (error: unknown) => (error as { readonly code: string }).code,
  );

  test.each([
    ["that is missing", "STORAGE_NOT_FOUND", () => rmSync(path)],
    ["that ends too early", "STORED_FILE_DAMAGED", () => truncateSync(path, MiB)],
    ["with another first byte", "STORED_FILE_DAMAGED", () => writeFileSync(path, Buffer.of((sampleBytes(1)[0] ?? 0) ^ 1), { flag: "r+" })],
    ["in whose place there is a directory", "STORAGE_FAILED", () => (rmSync(path), mkdirSync(path))],
    ["in whose place there is a FIFO", "STORAGE_FAILED", () => (rmSync(path), execFileSync("mkfifo", [path]))],
    ["in whose place there is a link to itself", "STORAGE_PATH_REFUSED", () => (rmSync(path), symlinkSync("file", path))],
  ])("to a file %s", async (_, code, spoil) => {
    spoil();
    expect(await answer(task)).toBe(code);
    rmSync(path, { recursive: true, force: true });
    await store("file", 2 * MiB + 77);
    expect(await answer(task)).toBe("yes");
  });

  test("to a chunk that is not what its checksum says, although the file has its digest", async () => {
    const chunks = task.chunks.map((chunk, number) => (number === 1 ? { ...chunk, crc32c: chunk.crc32c ^ 1 } : chunk));
    await expect(threads.check({ ...task, chunks })).rejects.toThrow(/checksum of chunk 1/);
  });

  requires("strace").test("to a file that the disk does not give, which is no damage", async () => {
    const script = `const { createCheckThreads } = await import("./src/verify/check-thread.ts");
      const threads = createCheckThreads(1, process.argv[1]);
      const answer = await threads.check(JSON.parse(process.argv[2])).then(() => "yes", ({ code }) => code);
      console.log(answer);
      await threads.close();`;
    const below = ["-f", "-qq", "-o", "/dev/null", "-P", path, "-e", "trace=pread64", "-e", "inject=pread64:error=EIO"];
    const { stdout, stderr } = spawnSync("strace", [...below, process.execPath, "--import", "tsx", "--input-type=module", "-e", script, root, JSON.stringify(task)], {
      cwd: resolve(import.meta.dirname, "../../.."),
      encoding: "utf8",
    });
    expect(stdout.trim(), stderr).toBe("STORAGE_IO_ERROR");
  });
});

describe("end", () => {
  test("when they are told to: what is in hand is rejected, and what comes later", async () => {
    const task = await store("left", 4 * MiB);
    const ending = createCheckThreads(1, root);
    const asked = Promise.allSettled([ending.check(task), ending.check(task)]);
    await ending.close();
    await ending.close();
    const codes = (await asked).map((result) => result.status === "rejected" && (result.reason as { code: string }).code);
    expect(codes).toEqual(["ABORTED", "ABORTED"]);
    await expect(ending.check(task)).rejects.toMatchObject({ code: "ABORTED" });
  });

  test("without saying yes when one of them dies", async () => {
    const task = await store("lost", MiB);
    // Nothing that a thread could open: it ends with an error that nobody catches.
    const dying = createCheckThreads(2, undefined as unknown as string);
    await expect(dying.check(task)).rejects.toMatchObject({ code: "PIPELINE_THREAD_ENDED" });
    await expect(dying.check(task)).rejects.toMatchObject({ code: "PIPELINE_THREAD_ENDED" });
    await dying.close();
  });
});
