/** Hashing beside the event loop: the same results in the same order, and what happens when the thread is gone. */
import { describe, expect, test } from "vitest";
import { createPipeline, pipelineErrors, type FileMeasures, type Pipeline } from "../../../src/pipeline/index.ts";
import { createMeasureThread } from "../../../src/pipeline/measure-thread.ts";
import { createRunningMeasure } from "../../../src/pipeline/running-measure.ts";
import { lsn, type PageVerifierOptions } from "../../../src/postgres/index.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { memorySink } from "./stored-files.ts";

const chunk = 1024 * 1024;
const pages: PageVerifierOptions = { path: "base/5/16384", startLsn: lsn(0xffff_ffff_ffffn), blockSize: 8192, relationSegmentBlocks: 131_072 };

function open(thread: boolean, memoryBytes = 8 * chunk): Promise<Pipeline> {
  return createPipeline({ spec: { compression: "none", encryption: "none" }, hash: "sha256", memoryBytes, concurrency: 2, thread });
}

async function store(pipeline: Pipeline, bytes: Buffer): Promise<FileMeasures> {
  const file = pipeline.openFile(memorySink(), { sizeHint: bytes.length, pages });
  for (let at = 0; at < bytes.length; at += 100_000) await file.write(bytes.subarray(at, at + 100_000));
  return file.finish();
}

describe("a pipeline with a thread", () => {
  test("finds what one without it finds, in files of every length side by side", async () => {
    const lengths = [0, 1, 8191, 8192, 300_000, chunk - 1, chunk, chunk + 1, 3 * chunk, 5 * chunk + 8192 + 7];
    const found = await Promise.all(
      [true, false].map(async (thread) => {
        const pipeline = await open(thread);
        const measures = await Promise.all(lengths.map((length) => store(pipeline, sampleBytes(length))));
        await pipeline.close();
        return measures;
      }),
    );
    expect(found[0]).toEqual(found[1]);
    // Noise is full of damaged pages: that they were looked at.
    expect(found[0]?.at(-1)?.pages).toMatchObject({ pages: 641, tailBytes: 7 });
    expect(found[0]?.at(-1)?.pages?.badCount).toBeGreaterThan(0);
  });

  test("uses its buffers again, however many chunks go there and back", async () => {
    const pipeline = await open(true, 2 * chunk);
    const bytes = sampleBytes(20 * chunk);
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const file = pipeline.openFile(memorySink(), { sizeHint: bytes.length });
    for (let at = 0; at < bytes.length; at += 64 * 1024) {
      await file.write(bytes.subarray(at, at + 64 * 1024));
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    await file.finish();
    await pipeline.close();
    // The sink holds the stored bytes; besides them there are four chunks at most.
    expect(most - bytes.length).toBeLessThan(5 * chunk);
  });
});

describe("the thread", () => {
  const memory = (): ArrayBuffer => new Uint8Array(sampleBytes(chunk)).buffer;

  test("answers each chunk with its measure and its memory", async () => {
    const thread = createMeasureThread(() => undefined);
    const [first, second] = [thread.openFile({ hash: "sha256" }), thread.openFile({ hash: "sha512" })];
    const answers = await Promise.all([first(memory(), chunk, false), second(memory(), 1000, true), first(memory(), 5, true)]);
    const here = createRunningMeasure({ hash: "sha256" });
    expect(answers[0].measure).toEqual(here.add(sampleBytes(chunk), false));
    expect(answers[2].measure).toEqual(here.add(sampleBytes(chunk).subarray(0, 5), true));
    expect(answers[1].measure).toEqual(createRunningMeasure({ hash: "sha512" }).add(sampleBytes(chunk).subarray(0, 1000), true));
    expect(answers.map((answer) => answer.memory.byteLength)).toEqual([chunk, chunk, chunk]);
    await thread.close();
  });

  test("says yes to nothing any more once it failed", async () => {
    const thread = createMeasureThread(() => undefined);
    const failing = thread.openFile({ hash: "sha256", pages: { ...pages, blockSize: 1000 } });
    const other = thread.openFile({ hash: "sha256" });
    const results = await Promise.allSettled([failing(memory(), chunk, true), other(memory(), chunk, true)]);
    expect(results.map((result) => result.status === "rejected" && (result.reason as { code: string }).code)).toEqual(["BLOCK_SIZE_INVALID", "BLOCK_SIZE_INVALID"]);
    await expect(other(memory(), chunk, true)).rejects.toMatchObject({ code: "BLOCK_SIZE_INVALID" });
    await thread.close();
  });

  test("rejects what it was asked for when it is ended", async () => {
    const thread = createMeasureThread(() => undefined);
    const asked = thread.openFile({ hash: "sha256" })(memory(), chunk, true);
    const outcome = expect(asked).rejects.toSatisfy((error) => pipelineErrors.aborted.is(error));
    await thread.close();
    await outcome;
  });
});
