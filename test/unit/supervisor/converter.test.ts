/** Conversions by the daemon, with the real process that converts: progress, the line, and an end that leaves nothing half-written. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Configuration } from "../../../src/config/index.ts";
import { createConverter, type Converter } from "../../../src/supervisor/converter.ts";
import { handleFileCancel, handleFileProgress } from "../../../src/supervisor/file-commands.ts";
import type { HandlerContext } from "../../../src/supervisor/handler-context.ts";
import type { ManagementRequest, ResponseResult } from "../../../src/management/index.ts";
import { signalPid } from "../../support/processes.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { createManualClock, createRecordingLogger, type ManualClock } from "./stand-ins.ts";

// zstd at its hardest takes seconds for it: long enough to be looked at.
const content = Buffer.concat(Array.from({ length: 6 }, (_, seed) => sampleBytes(4 * 1024 * 1024, "text", seed + 1)));

let directory: string;
let clock: ManualClock;
let converter: Converter;
beforeEach(() => {
  directory = temporaryDirectory().path;
  clock = createManualClock();
  const main = { updateProcessTitle: "never", compression: { method: "zstd", origin: "client" }, compressionLevel: 22, encryption: "none", baseDir: "/nowhere" };
  converter = createConverter({
    configuration: () => ({ main }) as unknown as Configuration,
    masterKey: { refresh: () => Promise.resolve(undefined) },
    clock,
    logger: createRecordingLogger().logger,
    logSink: { write: () => undefined },
    environment: process.env,
  });
});
afterEach(async () => {
  converter.kill();
  await converter.drain("the test is over");
});

const place = (name: string): string => {
  const file = join(directory, name);
  writeFileSync(file, content);
  return file;
};
const request = (fields: ManagementRequest["fields"]): ManagementRequest => ({ command: "progress", fields }) as unknown as ManagementRequest;
const context = (): HandlerContext => ({ converter, sources: { now: () => clock.now() }, timeout: () => new AbortController().signal }) as unknown as HandlerContext;
async function answered(answer: Promise<ResponseResult>): Promise<Record<string, unknown>> {
  const result = await answer;
  if (!result.status) throw result.error;
  return result.response as Record<string, unknown>;
}
/** The promise, of which a rejection is looked at later. */
function begin(command: "compress", file: string): Promise<unknown> {
  const outcome = converter.convert(command, file);
  outcome.catch(() => undefined);
  return outcome;
}
const progressOf = (index: number) => converter.active[index]?.progress;

it("are seen while they run and cancelled: the file is as it was and nothing is beside it", async () => {
  const file = place("a");
  const outcome = begin("compress", file);
  await waitFor("it is under way", () => (progressOf(0)?.done ?? 0) > 0);
  void clock.advance(1000);
  const response = await answered(handleFileProgress(request({}), context()));
  expect(response).toMatchObject({ Job: "file-1", Command: "compress", SourceFile: file, State: "running", Total: 2 * content.length, Last: null });
  expect(Number(response["Done"])).toBeGreaterThan(0);
  expect(Number(response["BytesPerSecond"])).toBe(Number(response["Done"]));
  expect(readdirSync(directory)).toHaveLength(2);
  await expect(handleFileCancel(request({ SourceFile: join(directory, "b") }), context())).rejects.toMatchObject({ code: "JOB_UNKNOWN" });
  await expect(handleFileCancel(request({}), context())).rejects.toMatchObject({ code: "REQUEST_INVALID" });
  expect(await answered(handleFileCancel(request({ SourceFile: file }), context()))).toEqual({ Cancelled: [{ Job: "file-1", Command: "compress", SourceFile: file }] });
  await expect(outcome).rejects.toMatchObject({ code: "JOB_CANCELLED", message: `the compress of "${file}" was cancelled: an operator cancelled it` });
  expect(readdirSync(directory)).toEqual(["a"]);
  expect(readFileSync(file).equals(content)).toBe(true);
  expect(await answered(handleFileProgress(request({}), context()))).toMatchObject({ Job: null, Jobs: [], Last: { Job: "file-1", State: "cancelled", Code: "JOB_CANCELLED" } });
});

it("that do not obey are killed, and what they wrote is taken away", async () => {
  const file = place("a");
  const outcome = begin("compress", file);
  await waitFor("it is under way", () => (progressOf(0)?.done ?? 0) > 0);
  const [own] = converter.active;
  signalPid(own?.pid ?? 0, "SIGSTOP");
  own?.cancel("an operator cancelled it");
  expect(readdirSync(directory)).toHaveLength(2);
  await clock.advance(9_999);
  expect(own?.state).toBe("cancelling");
  await clock.advance(1);
  await expect(outcome).rejects.toMatchObject({ code: "JOB_CANCELLED" });
  expect(readdirSync(directory)).toEqual(["a"]);
});

it("whose process is killed by somebody else have died, and leave nothing either", async () => {
  const outcome = begin("compress", place("a"));
  await waitFor("it is under way", () => (progressOf(0)?.done ?? 0) > 0);
  signalPid(converter.active[0]?.pid ?? 0, "SIGKILL");
  await expect(outcome).rejects.toMatchObject({ code: "JOB_DIED", message: expect.stringContaining("SIGKILL") as string });
  expect(readdirSync(directory)).toEqual(["a"]);
});

it("run two at a time, the next one says for whom it waits and can leave the line, and a daemon that stops cancels all", async () => {
  const outcomes = ["a", "b", "c", "d"].map((name) => begin("compress", place(name)));
  await waitFor("two run", () => progressOf(0) !== undefined && progressOf(1) !== undefined);
  for (const index of [0, 1]) signalPid(converter.active[index]?.pid ?? 0, "SIGSTOP");
  expect(converter.active.map(({ state }) => state)).toEqual(["running", "running", "waiting", "waiting"]);
  const response = await answered(handleFileProgress(request({ SourceFile: join(directory, "d") }), context()));
  expect(response["Jobs"]).toMatchObject([{ Job: "file-4", State: "waiting", Place: 2, Reason: "waits for job file-1 (compress)", Done: 0 }]);
  await handleFileCancel(request({ SourceFile: join(directory, "c") }), context());
  await expect(outcomes[2]).rejects.toMatchObject({ code: "JOB_NOT_BEGUN" });
  const drained = converter.drain("the daemon stops");
  await expect(outcomes[3]).rejects.toMatchObject({ code: "JOB_NOT_BEGUN" });
  converter.kill();
  await drained;
  for (const outcome of outcomes.slice(0, 2)) await expect(outcome).rejects.toMatchObject({ code: "JOB_CANCELLED" });
  await expect(converter.convert("compress", join(directory, "a"))).rejects.toMatchObject({ code: "DAEMON_STOPPING" });
  expect(readdirSync(directory)).toEqual(["a", "b", "c", "d"]);
});
