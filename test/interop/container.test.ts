/** An independent decoder of a page, written from doc/FORMATS.md, reads our encrypted files and refuses damaged ones. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type Cipher, createDataKey, encryptionModes } from "../../src/encryption/index.ts";
import { createPipeline, type PipelineSpec, suffixOf } from "../../src/pipeline/index.ts";
import { sampleBytes } from "../support/sample-bytes.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const decoder = join(import.meta.dirname, "../fixtures/decode-container.mjs");
const ciphers = encryptionModes.filter((mode): mode is Cipher => mode !== "none");
const dataKey = createDataKey();

async function store(plain: Buffer, spec: PipelineSpec): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const sink = {
    write: async (chunk: Uint8Array) => void pieces.push(Buffer.from(chunk)),
    close: async () => undefined,
    abort: async () => undefined,
  };
  const pipeline = await createPipeline({ spec, dataKey, hash: "sha256", memoryBytes: 16 << 20, concurrency: 3 });
  const file = pipeline.openFile(sink);
  await file.write(plain);
  await file.finish();
  await pipeline.close();
  return Buffer.concat(pieces);
}

function decode(
  stored: Buffer,
  name: string,
  key = dataKey.secret.toString("hex"),
): { status: number | null; clear: Buffer; complaint: string } {
  const { path } = temporaryDirectory();
  const file = join(path, name);
  writeFileSync(file, stored);
  const { status, stdout, stderr } = spawnSync(process.execPath, [decoder, file, ...(key === "" ? [] : [key])], {
    maxBuffer: 64 << 20,
  });
  return { status, clear: stdout, complaint: stderr.toString() };
}

describe.each(ciphers)("%s", (encryption) => {
  test.each([0, 1, 1024 * 1024, 2 * 1024 * 1024 + 99])("a file of %i bytes is decoded", async (size) => {
    const plain = sampleBytes(size);
    const spec: PipelineSpec = { compression: "none", encryption };
    const { status, clear } = decode(await store(plain, spec), `f${suffixOf(spec)}`);
    expect(status).toBe(0);
    expect(Buffer.compare(clear, plain)).toBe(0);
  });
});

test("what comes out of a compressed file is the compressed file", async () => {
  const plain = sampleBytes(2_500_000);
  for (const content of [plain, Buffer.alloc(0)]) {
    const { clear } = decode(await store(content, { compression: "gzip", encryption: "aes-256-gcm" }), "f.gz.aes");
    expect(Buffer.compare(gunzipSync(clear), content)).toBe(0);
  }
});

test("the id of the data key is in the file", async () => {
  const stored = await store(Buffer.from("x"), { compression: "none", encryption: "aes-256-gcm" });
  expect(decode(stored, "f.aes", "").clear.toString().trim()).toBe(dataKey.id);
});

test("cut, extended, changed and rearranged files are refused, and another key", async () => {
  const stored = await store(sampleBytes(2 * 1024 * 1024 + 5), { compression: "none", encryption: "aes-256-gcm" });
  const frame = 1024 * 1024 + 20;
  const [header, one, two, three] = [
    stored.subarray(0, 60),
    stored.subarray(60, 60 + frame),
    stored.subarray(60 + frame, 60 + 2 * frame),
    stored.subarray(60 + 2 * frame),
  ];
  const flipped = Buffer.from(stored);
  flipped[5000] = (flipped[5000] ?? 0) ^ 1;
  const salted = Buffer.from(stored);
  salted[40] = (salted[40] ?? 0) ^ 1;
  const bad = [
    stored.subarray(0, 59),
    stored.subarray(0, 60),
    stored.subarray(0, -1),
    Buffer.concat([header, one, two]),
    Buffer.concat([stored, Buffer.of(0)]),
    Buffer.concat([header, two, one, three]),
    Buffer.concat([header, one, one, three]),
    Buffer.concat([stored, three]),
    flipped,
    salted,
  ];
  for (const [number, bytes] of bad.entries()) {
    const { status, complaint } = decode(bytes, "f.aes");
    expect(status, `case ${number}`).toBe(1);
    expect(complaint).not.toBe("");
  }
  expect(decode(stored, "f.aes", createDataKey().secret.toString("hex")).status).toBe(1);
  expect(decode(stored, "f.aes").status).toBe(0);
});
