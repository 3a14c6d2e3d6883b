/** The forward pipeline: what it measures, how it holds back, how it fails and lets go. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { compressionErrors, compressionMethods, chunkSizeOf } from "../../../src/compression/index.ts";
import { encryptionErrors, type EncryptionMode } from "../../../src/encryption/index.ts";
import {
  crc32c,
  createPipeline,
  type FileMeasures,
  type Pipeline,
  pipelineErrors,
  type PipelineSpec,
} from "../../../src/pipeline/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { dataKey, memorySink, storeSample } from "./stored-files.ts";

const MEGABYTE = 1024 * 1024;
const plainSpec: PipelineSpec = { compression: "none", encryption: "none" };

function open(spec: PipelineSpec, memoryBytes = 16 * MEGABYTE, concurrency = 3): Promise<Pipeline> {
  return createPipeline({ spec, dataKey, hash: "sha256", memoryBytes, concurrency });
}

const digest = (bytes: Buffer, algorithm = "sha256"): string => createHash(algorithm).update(bytes).digest("hex");

describe("measures", () => {
  const modes: readonly EncryptionMode[] = ["none", "aes-256-gcm"];
  test.each(compressionMethods.flatMap((compression) => modes.map((encryption) => [compression, encryption] as const)))(
    "with %s and %s are those of the bytes",
    async (compression, encryption) => {
      const chunk = chunkSizeOf(compression);
      const plain = sampleBytes(2 * chunk + 5);
      // The second in a thread of its own.
      for (const algorithm of ["sha256", "sha512"] as const) {
        const { bytes, measures } = await storeSample(plain, { compression, encryption }, algorithm, 32_768, algorithm === "sha512");
        expect(measures).toMatchObject({
          plainSize: plain.length,
          plainCrc32c: crc32c(plain),
          plainDigest: digest(plain, algorithm),
          storedSize: bytes.length,
          storedDigest: digest(bytes, algorithm),
          headerSize: encryption === "none" ? 0 : 60,
        });
        expect(measures.chunks.map((each) => each.plain)).toEqual([chunk, chunk, 5]);
        expect(measures.chunks.map((each) => each.crc32c)).toEqual(
          [0, chunk, 2 * chunk].map((at) => crc32c(plain.subarray(at, at + chunk))),
        );
        expect(measures.headerSize + measures.chunks.reduce((sum, each) => sum + each.stored, 0)).toBe(bytes.length);
      }
    },
  );

  test("of an empty file are those of nothing; with a format it is one empty frame", async () => {
    const bare = await storeSample(Buffer.alloc(0), plainSpec);
    expect(bare.bytes.length).toBe(0);
    expect(bare.measures).toEqual({
      plainSize: 0,
      plainCrc32c: 0,
      plainDigest: digest(Buffer.alloc(0)),
      storedSize: 0,
      storedDigest: digest(Buffer.alloc(0)),
      headerSize: 0,
      chunks: [],
    });
    const sealed = await storeSample(Buffer.alloc(0), { compression: "none", encryption: "aes-128-gcm" });
    expect(sealed.bytes.length).toBe(80);
    expect(sealed.measures.chunks).toEqual([{ stored: 20, plain: 0, crc32c: 0 }]);
    const packed = await storeSample(Buffer.alloc(0), { compression: "gzip", encryption: "none" });
    expect(packed.measures.chunks).toEqual([{ stored: packed.bytes.length, plain: 0, crc32c: 0 }]);
    expect(packed.measures.plainDigest).toBe(digest(Buffer.alloc(0)));
  });

  test("do not depend on how the file was cut into pieces, or on the size hint", async () => {
    const plain = sampleBytes(MEGABYTE + 70_000);
    const whole = await storeSample(plain, { compression: "zstd", encryption: "none" });
    for (const size of [700, 8192, 65_537, MEGABYTE, 5 * MEGABYTE]) {
      expect((await storeSample(plain, { compression: "zstd", encryption: "none" }, "sha256", size)).measures).toEqual(
        whole.measures,
      );
    }
    const pipeline = await open({ compression: "zstd", encryption: "none" });
    for (const sizeHint of [0, 1, 100_000, plain.length, 100 * MEGABYTE]) {
      const file = pipeline.openFile(memorySink(), { sizeHint });
      await file.write(plain);
      expect(await file.finish()).toEqual(whole.measures);
    }
    await pipeline.close();
  });

  test("of incompressible bytes are stored in the format all the same", async () => {
    const { bytes, measures } = await storeSample(sampleBytes(10_000, "noise"), {
      compression: "gzip",
      encryption: "none",
    });
    expect(measures.storedSize).toBeGreaterThan(10_000);
    expect(bytes.subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
  });
});

test("the stages that work are timed, and only those", async () => {
  const times = async (spec: PipelineSpec) => {
    const pipeline = await open(spec);
    const file = pipeline.openFile(memorySink());
    await file.write(sampleBytes(4 * MEGABYTE));
    await file.finish();
    await pipeline.close();
    return pipeline.times();
  };
  expect(await times(plainSpec)).toMatchObject({ hash: expect.any(Number) as number, compression: 0, encryption: 0 });
  const all = await times({ compression: "gzip", encryption: "aes-256-gcm" });
  for (const stage of [all.hash, all.compression, all.encryption]) expect(stage).toBeGreaterThan(0);
});

describe("many files at one time", () => {
  test("keep their bytes and their order apart", async () => {
    const pipeline = await open({ compression: "zstd", encryption: "aes-256-gcm" }, 8 * MEGABYTE, 4);
    const plains = Array.from({ length: 12 }, (_, index) =>
      sampleBytes(index * 333_333, index % 2 === 0 ? "text" : "noise", index + 1),
    );
    const files = plains.map(() => pipeline.openFile(memorySink()));
    // One piece of each in turn, all open at once.
    for (let offset = 0; offset < 12 * 333_333; offset += 50_000) {
      for (const [index, file] of files.entries())
        await file.write((plains[index] ?? Buffer.alloc(0)).subarray(offset, offset + 50_000));
    }
    const measures = await Promise.all(files.map((file) => file.finish()));
    expect(measures.map((each) => each.plainDigest)).toEqual(plains.map((plain) => digest(plain)));
    await pipeline.close();
  });

  test("thousands of small ones finish side by side, but no more than memory allows", async () => {
    const pipeline = await open({ compression: "lz4", encryption: "none" }, 8 * MEGABYTE);
    let running = 0;
    let most = 0;
    const results: Promise<FileMeasures>[] = [];
    const plain = sampleBytes(8192);
    for (let index = 0; index < 3000; index++) {
      const opening = new Promise<ReturnType<typeof memorySink>>((resolve) => {
        setImmediate(() => resolve(memorySink()));
      });
      const file = pipeline.openFile(opening, { sizeHint: 8192 });
      running++;
      most = Math.max(most, running);
      await file.write(plain);
      results.push(file.finish().finally(() => running--));
      await pipeline.pressure();
    }
    const measures = await Promise.all(results);
    expect(new Set(measures.map((each) => each.plainDigest))).toEqual(new Set([digest(plain)]));
    expect(most).toBeGreaterThan(8);
    expect(most).toBeLessThanOrEqual(64);
    await pipeline.close();
  });
});

describe("back-pressure", () => {
  test("comes earlier where the compressor's own threads take a share of the memory", async () => {
    const plain = sampleBytes(32 * MEGABYTE, "noise");
    const taken = async (compression: "lz4" | "zstd"): Promise<number> => {
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      const pipeline = await open({ compression, encryption: "none" }, 48 * MEGABYTE);
      const file = pipeline.openFile(memorySink(() => gate));
      let accepted = 0;
      for (let pressure: unknown; pressure === undefined && accepted < plain.length; accepted += MEGABYTE) {
        pressure = file.write(plain.subarray(accepted, accepted + MEGABYTE));
      }
      release();
      expect((await file.finish()).plainSize).toBe(accepted);
      await pipeline.close();
      return accepted / MEGABYTE;
    };
    // Each chunk counts twice, for its frame as well.
    expect(await taken("zstd")).toBeGreaterThanOrEqual(24);
    expect(await taken("lz4")).toBeLessThanOrEqual(14);
  });

  test("comes when memory is full, and goes when the sink has taken what it had to", async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const sink = memorySink(() => gate);
    const pipeline = await open(plainSpec, 4 * MEGABYTE);
    const file = pipeline.openFile(sink);
    const plain = sampleBytes(20 * MEGABYTE, "noise");
    let accepted = 0;
    let pressure: Promise<void> | undefined;
    while (pressure === undefined && accepted < plain.length) {
      pressure = file.write(plain.subarray(accepted, accepted + 32_768));
      accepted += 32_768;
    }
    expect(accepted).toBeGreaterThanOrEqual(3 * MEGABYTE);
    expect(accepted).toBeLessThanOrEqual(5 * MEGABYTE);
    release();
    await pressure;
    for (; accepted < plain.length; accepted += 32_768) await file.write(plain.subarray(accepted, accepted + 32_768));
    expect((await file.finish()).plainDigest).toBe(digest(plain));
    expect(Buffer.compare(sink.stored(), plain)).toBe(0);
    await pipeline.close();
  });

  test("does not lock up when more files are open than memory has chunks for", async () => {
    const pipeline = await open(plainSpec, MEGABYTE);
    const files = Array.from({ length: 8 }, () => pipeline.openFile(memorySink()));
    const plain = sampleBytes(MEGABYTE + 1, "noise");
    for (const file of files) await file.write(plain.subarray(0, MEGABYTE));
    for (const file of files) await file.write(plain.subarray(MEGABYTE));
    for (const file of files) expect((await file.finish()).plainDigest).toBe(digest(plain));
    await pipeline.close();
  });
});

describe("failures", () => {
  const broken = new Error("no space left on device");
  const failing = (after: number): ReturnType<typeof memorySink> => {
    let left = after;
    return memorySink(async () => {
      if (left-- <= 0) throw broken;
    });
  };

  /** A sink whose write fails still counts as writing in `memorySink`; this one only counts. */
  function counted(failOn: "write" | "close"): { sink: Parameters<Pipeline["openFile"]>[0]; calls: string[] } {
    const calls: string[] = [];
    const sink = {
      async write(): Promise<void> {
        calls.push("write");
        if (failOn === "write") throw broken;
      },
      async close(): Promise<void> {
        calls.push("close");
        if (failOn === "close") throw broken;
      },
      async abort(): Promise<void> {
        calls.push("abort");
      },
    };
    return { sink, calls };
  }

  test("of a write come out of finish, once, and abort the sink", async () => {
    const pipeline = await open({ compression: "zstd", encryption: "none" });
    const { sink, calls } = counted("write");
    const file = pipeline.openFile(sink);
    for (let index = 0; index < 40; index++) await file.write(sampleBytes(200_000));
    expect(pipeline.signal.aborted).toBe(true);
    expect(pipeline.signal.reason).toBe(broken);
    await expect(file.finish()).rejects.toBe(broken);
    expect(calls).toEqual(["write", "abort"]);
    await expect(file.finish()).rejects.toSatisfy(pipelineErrors.misused.is);
    await pipeline.close();
    expect(calls).toEqual(["write", "abort"]);
  });

  test("of closing come out of finish too: a file that cannot be closed is not stored", async () => {
    const pipeline = await open(plainSpec);
    const { sink, calls } = counted("close");
    const file = pipeline.openFile(sink);
    await file.write(Buffer.from("x"));
    await expect(file.finish()).rejects.toBe(broken);
    expect(calls).toEqual(["write", "close", "abort"]);
    await pipeline.close();
  });

  test("of opening come out of finish, and nothing is aborted that never was", async () => {
    const pipeline = await open(plainSpec);
    for (const plain of [Buffer.alloc(0), Buffer.from("x")]) {
      const fresh = await open(plainSpec);
      const file = fresh.openFile(Promise.reject(broken));
      await file.write(plain);
      await expect(file.finish()).rejects.toBe(broken);
      await fresh.close();
    }
    await pipeline.close();
  });

  test("of one file stop the others, which name it as the cause", async () => {
    const pipeline = await open(plainSpec);
    const good = memorySink();
    const healthy = pipeline.openFile(good);
    await healthy.write(sampleBytes(3 * MEGABYTE));
    const { sink } = counted("write");
    const sick = pipeline.openFile(sink);
    await sick.write(Buffer.from("x"));
    await expect(sick.finish()).rejects.toBe(broken);
    await healthy.write(sampleBytes(MEGABYTE));
    const error: unknown = await healthy.finish().catch((reason: unknown) => reason);
    expect(error).toSatisfy(pipelineErrors.stopped.is);
    expect((error as Error).cause).toBe(broken);
    expect(good.state()).toBe("aborted");
    await pipeline.close();
  });

  test("do not make the writer wait for ever", async () => {
    const pipeline = await open(plainSpec, 2 * MEGABYTE);
    const file = pipeline.openFile(failing(1));
    for (let index = 0; index < 100; index++) await file.write(sampleBytes(500_000, "zeros"));
    // The sink cannot even be aborted after that: still the first error is told.
    await expect(file.finish()).rejects.toBe(broken);
    await pipeline.close();
  });

  test("of the specification are told before anything is opened", async () => {
    const options = { hash: "sha256", memoryBytes: MEGABYTE, concurrency: 1 } as const;
    await expect(
      createPipeline({ ...options, spec: { compression: "zstd", level: 99, encryption: "none" } }),
    ).rejects.toSatisfy(compressionErrors.levelInvalid.is);
    await expect(
      createPipeline({ ...options, spec: { compression: "none", encryption: "aes-256-gcm" } }),
    ).rejects.toSatisfy(encryptionErrors.keyUnknown.is);
  });
});

describe("giving up", () => {
  test("aborts the sink, leaves the others alone, and gives all memory back", async () => {
    const pipeline = await open({ compression: "zstd", encryption: "none" }, 4 * MEGABYTE);
    for (let round = 0; round < 20; round++) {
      const sink = memorySink();
      const file = pipeline.openFile(sink);
      for (let index = 0; index < 5; index++) void file.write(sampleBytes(400_000, "noise", index + 1));
      await file.abort();
      await file.abort();
      expect(sink.state()).toBe("aborted");
      expect(() => file.write(Buffer.from("x"))).toThrow(
        expect.objectContaining({ code: pipelineErrors.misused.spec.code }),
      );
      // Were memory lost, pressure would stay.
      expect(pipeline.pressure()).toBeUndefined();
    }
    const file = pipeline.openFile(memorySink());
    await file.write(Buffer.from("fine"));
    expect((await file.finish()).plainSize).toBe(4);
    expect(pipeline.signal.aborted).toBe(false);
    await pipeline.close();
  });

  test("while finish is under way makes finish fail, and the sink is aborted once", async () => {
    const calls: string[] = [];
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const pipeline = await open(plainSpec);
    const file = pipeline.openFile({
      async write() {
        calls.push("write");
        await gate;
      },
      async close() {
        calls.push("close");
      },
      async abort() {
        calls.push("abort");
      },
    });
    await file.write(Buffer.from("x"));
    const finishing = file.finish();
    const refused = expect(finishing).rejects.toSatisfy(pipelineErrors.aborted.is);
    const aborting = file.abort();
    release();
    await Promise.all([refused, aborting]);
    expect(calls.filter((call) => call === "abort")).toEqual(["abort"]);
    expect(calls).not.toContain("close");
    await pipeline.close();
  });

  test("by closing the pipeline aborts what is open", async () => {
    const pipeline = await open(plainSpec);
    const sinks = [memorySink(), memorySink()];
    for (const sink of sinks) await pipeline.openFile(sink).write(sampleBytes(2 * MEGABYTE));
    await pipeline.close();
    expect(sinks.map((sink) => sink.state())).toEqual(["aborted", "aborted"]);
  });
});

describe("bytes that are stored already", () => {
  const megabyte = MEGABYTE;
  const specs: readonly PipelineSpec[] = [plainSpec, { compression: "zstd", encryption: "aes-256-gcm" }];
  const cases = specs.flatMap((spec) => [0, 10, megabyte, 2 * megabyte + 1].map((size) => ({ spec, size, name: `${spec.compression}, ${size} bytes` })));

  test.each(cases)("are not stored again, and are measured all the same ($name)", async ({ spec, size }) => {
    const plain = sampleBytes(size);
    const pipeline = await open(spec);
    const asked: unknown[] = [];
    const sink = memorySink();
    let opened = 0;
    const file = pipeline.openFile(
      () => {
        opened += 1;
        return Promise.resolve(sink);
      },
      {
        storedAlready: (whole) => {
          asked.push(whole);
          return Promise.resolve(true);
        },
      },
    );
    void file.write(plain);
    const measures = await file.finish();
    await pipeline.close();
    expect(asked).toEqual([{ plainSize: size, plainDigest: digest(plain) }]);
    expect(measures).toMatchObject({ elsewhere: true, plainSize: size, plainDigest: digest(plain), plainCrc32c: crc32c(plain) });
    // What comes in one chunk is never stored at all.
    expect(opened).toBe(size > megabyte ? 1 : 0);
    expect(sink.state()).toBe(size > megabyte ? "closed" : "open");
  });

  test.each(cases)("that are not are stored as without the question, which is asked once ($name)", async ({ spec, size }) => {
    const plain = sampleBytes(size);
    const pipeline = await open(spec);
    let asked = 0;
    const sink = memorySink();
    const file = pipeline.openFile(() => Promise.resolve(sink), { storedAlready: () => Promise.resolve((asked += 1) === 0) });
    void file.write(plain);
    const measures = await file.finish();
    await pipeline.close();
    expect(asked).toBe(1);
    expect(measures.elsewhere).toBeUndefined();
    expect(sink.state()).toBe("closed");
    expect(measures).toMatchObject({ storedSize: sink.stored().length, storedDigest: digest(sink.stored()), plainDigest: digest(plain) });
  });

  test.each([10, 2 * megabyte])("of which nobody can tell fail the file (%i bytes)", async (size) => {
    const pipeline = await open(plainSpec);
    const file = pipeline.openFile(() => Promise.resolve(memorySink()), { storedAlready: () => Promise.reject(new Error("no answer")) });
    void file.write(sampleBytes(size));
    await expect(file.finish()).rejects.toThrow("no answer");
    await pipeline.close();
  });
});
