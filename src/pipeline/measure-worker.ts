/** The thread of measure-thread.ts. */
import { parentPort } from "node:worker_threads";
import { errorToRecord } from "../common/index.ts";
import { pipelineErrors } from "./errors.ts";
import type { ChunkMessage, MeasuredChunk, MeasureReply } from "./measure-thread.ts";
import { createRunningMeasure, type RunningMeasure } from "./running-measure.ts";

/** Files that were begun and not ended. */
const files = new Map<number, RunningMeasure>();

function measure({ file, begin, memory, length, last }: ChunkMessage): MeasuredChunk {
  const began = performance.now();
  if (begin !== undefined) files.set(file, createRunningMeasure(begin));
  const running = files.get(file);
  if (running === undefined) throw pipelineErrors.misused(`chunk of file ${file}, which did not begin`);
  if (last) files.delete(file);
  const found = running.add(new Uint8Array(memory, 0, length), last);
  return { measure: found, memory, milliseconds: performance.now() - began };
}

parentPort?.on("message", (message: ChunkMessage) => {
  let reply: MeasureReply;
  try {
    reply = measure(message);
  } catch (error) {
    parentPort?.postMessage({ error: errorToRecord(error) } satisfies MeasureReply);
    return;
  }
  parentPort?.postMessage(reply, [reply.memory]);
});
