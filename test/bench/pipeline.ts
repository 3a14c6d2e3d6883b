/**
 * Speed and memory of the pipeline alone, run by hand:
 *   npx tsx test/bench/pipeline.ts <directory> [method:encryption:hash:memory …]
 * Each case is a process of its own. It reads the files of the directory in pieces of 32 KiB, as they come from a
 * walsender, writes the stored files under a temporary directory, prints MB/s of plain bytes, CPU and the peak of
 * resident memory, and reads everything back by index. "read only" is the cost of the source alone.
 */
import { execFileSync } from "node:child_process";
import { readSync, openSync, closeSync, fstatSync } from "node:fs";
import { mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CompressionMethod } from "../../src/compression/index.ts";
import { createDataKey, type EncryptionMode } from "../../src/encryption/index.ts";
import { createPipeline, type FileMeasures, type HashAlgorithm, readStoredFile } from "../../src/pipeline/index.ts";

const PIECE = 32 * 1024;
const MB = 1e6;
const MEGABYTE = 1024 * 1024;

async function listFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** The pieces of a file in one reused buffer, as a socket's reader hands them out. */
function* piecesOf(path: string, buffer: Buffer): Generator<Buffer> {
  const descriptor = openSync(path, "r");
  for (let length = readSync(descriptor, buffer); length > 0; length = readSync(descriptor, buffer)) {
    for (let offset = 0; offset < length; offset += PIECE)
      yield buffer.subarray(offset, Math.min(length, offset + PIECE));
  }
  closeSync(descriptor);
}

function sizeOf(path: string): number {
  const descriptor = openSync(path, "r");
  const { size } = fstatSync(descriptor);
  closeSync(descriptor);
  return size;
}

async function run(
  files: readonly string[],
  directory: string,
  method: CompressionMethod,
  mode: EncryptionMode,
  hash: HashAlgorithm,
  memoryMegabytes: number,
): Promise<void> {
  const buffer = Buffer.alloc(MEGABYTE);
  const key = createDataKey();
  const readOnly = performance.now();
  let total = 0;
  for (const path of files) for (const piece of piecesOf(path, buffer)) total += piece.length;
  const source = (performance.now() - readOnly) / 1000;
  const cpu = process.cpuUsage();
  const began = performance.now();
  const pipeline = await createPipeline({
    spec: { compression: method, encryption: mode },
    dataKey: key,
    hash,
    memoryBytes: memoryMegabytes * MEGABYTE,
    concurrency: 4,
  });
  const results: Promise<FileMeasures>[] = [];
  for (const [index, path] of files.entries()) {
    const opening = open(join(directory, String(index)), "w").then((handle) => {
      let position = 0;
      return {
        async write(chunk: Uint8Array): Promise<void> {
          const at = position;
          position += chunk.length;
          await handle.write(chunk, 0, chunk.length, at);
        },
        close: () => handle.close(),
        abort: () => handle.close(),
      };
    });
    const file = pipeline.openFile(opening, { sizeHint: sizeOf(path) });
    for (const piece of piecesOf(path, buffer)) {
      const pause = file.write(piece);
      if (pause !== undefined) await pause;
    }
    results.push(file.finish());
    const pause = pipeline.pressure();
    if (pause !== undefined) await pause;
  }
  const measures = await Promise.all(results);
  await pipeline.close();
  const wrote = (performance.now() - began) / 1000;
  const used = process.cpuUsage(cpu);
  const peak = process.resourceUsage().maxRSS / 1024;
  const reading = performance.now();
  let next = 0;
  const reader = async (): Promise<void> => {
    for (let index = next++; index < measures.length; index = next++) {
      const expected = measures[index];
      if (expected === undefined) return;
      const handle = await open(join(directory, String(index)), "r");
      const stored = {
        size: expected.storedSize,
        name: String(index),
        read: async (offset: number, length: number) =>
          (await handle.read(Buffer.allocUnsafe(length), 0, length, offset)).buffer,
        close: () => handle.close(),
      };
      const format = { compression: method, encrypted: mode !== "none" };
      await readStoredFile(
        { source: stored, format, keys: () => key, chunks: expected.chunks, hash, expected, concurrency: 4 },
        async () => undefined,
      );
      await handle.close();
    }
  };
  await Promise.all([reader(), reader()]);
  const read = (performance.now() - reading) / 1000;
  const stored = measures.reduce((sum, each) => sum + each.storedSize, 0);
  const row = [
    `${method} ${mode} ${hash} ${memoryMegabytes} MiB`.padEnd(34),
    `${files.length} files`,
    `write ${(total / MB / wrote).toFixed(0)} MB/s`,
    `cpu ${(used.user / 1e6 / (total / 1e9)).toFixed(2)} + ${(used.system / 1e6 / (total / 1e9)).toFixed(2)} s/GB`,
    `ratio ${(total / stored).toFixed(3)}`,
    `peak ${peak.toFixed(0)} MB`,
    `read ${(total / MB / read).toFixed(0)} MB/s, peak ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`,
    `(read only ${(total / MB / source).toFixed(0)} MB/s)`,
  ];
  process.stdout.write(`${row.join("  ")}\n`);
}

const [directory = ".", ...cases] = process.argv.slice(2);
const standard = [
  "none:none:sha256",
  "zstd:none:sha256",
  "zstd:aes-256-gcm:sha256",
  "lz4:none:sha256",
  "gzip:none:sha256",
];
const wanted = cases.length > 0 ? cases : standard;
const [only] = wanted;
if (wanted.length === 1 && only !== undefined) {
  const scratch = await mkdtemp(join(tmpdir(), "moneta-bench-"));
  try {
    const [method, mode, hash, memory] = only.split(":");
    await run(
      await listFiles(directory),
      scratch,
      method as CompressionMethod,
      mode as EncryptionMode,
      (hash ?? "sha256") as HashAlgorithm,
      Number(memory ?? 32),
    );
  } finally {
    await rm(scratch, { recursive: true });
  }
} else {
  for (const each of wanted) {
    execFileSync(process.execPath, [...process.execArgv, import.meta.filename, directory, each], { stdio: "inherit" });
  }
}
