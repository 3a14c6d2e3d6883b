/** `compress`, `decompress`, `encrypt` and `decrypt`: one file, in place; and how far they are, and their end. */
import { isAbsolute } from "node:path";
import {
  conversionResponse,
  filesCancelResponse,
  filesProgressResponse,
  managementErrors,
  type JobSummary,
  type JsonObject,
  type ManagementRequest,
  type ResponseResult,
} from "../management/index.ts";
import { aborted, CANCEL_ANSWER_MS } from "./cancel-answer.ts";
import type { Conversion, ConversionCommand } from "./conversion.ts";
import type { Converter } from "./converter.ts";
import { supervisorErrors } from "./errors.ts";
import type { HandlerContext } from "./handler-context.ts";
import { paceOf } from "./pace.ts";

function absolute(file: string): string {
  if (isAbsolute(file)) return file;
  throw managementErrors.requestInvalid(`the path "${file}" is not absolute, and the daemon works elsewhere`, { file });
}

/** The file that the request names; undefined where it names none. */
function fileOf({ fields }: ManagementRequest): string | undefined {
  const file = fields["SourceFile"];
  return typeof file === "string" ? absolute(file) : undefined;
}

/** Converts the file that the request names. */
export async function handleFile(command: ConversionCommand, request: ManagementRequest, { converter }: HandlerContext): Promise<ResponseResult> {
  const file = fileOf(request);
  if (file === undefined) throw managementErrors.requestInvalid("the request has no field SourceFile", { field: "SourceFile" });
  return { status: true, response: conversionResponse(await converter.convert(command, file)) };
}

/** A conversion as `progress` tells of it. What it reads back it verifies; what it writes has no phase of pgmoneta's. */
function summaryOf(conversion: Conversion, { active }: Converter, now: number): JobSummary {
  const { command, file, id, progress, started, state, submitted } = conversion;
  const { done = 0, total = 0 } = progress ?? {};
  const elapsedMs = Math.max(0, now - (started ?? submitted));
  const inLine = active.filter((other) => other.state === "waiting");
  const first = active[0];
  return {
    id,
    server: "",
    command,
    file,
    state: state === "waiting" || state === "cancelling" ? state : "running",
    phase: progress?.phase === "read back" ? "verify" : "none",
    doneBytes: done,
    totalBytes: total,
    elapsedMs,
    ...paceOf(done, total, elapsedMs),
    ...(state === "waiting" ? { place: inLine.indexOf(conversion) + 1, ...(first === undefined ? {} : { reason: `waits for job ${first.id} (${first.command})` }) } : {}),
  };
}

/** The last one that is over, so that whoever left before its end still learns the outcome. */
function lastOutcome(last: Conversion | undefined): JsonObject | null {
  if (last?.outcome === undefined) return null;
  const { command, ended, file, id, outcome } = last;
  const common = { Job: id, Command: command, SourceFile: file, State: outcome.state, Ended: new Date(ended ?? 0).toISOString() };
  if (outcome.state === "succeeded") return { ...common, DestinationFile: outcome.result.destination };
  const { code, message, hint } = outcome.error;
  return { ...common, Code: code, Message: message, Hint: hint };
}

/** `progress` without a server: the files that are being converted, or the one that the request names. */
export async function handleFileProgress(request: ManagementRequest, { converter, sources }: HandlerContext): Promise<ResponseResult> {
  const file = fileOf(request);
  const command = request.fields["Command"];
  const meant = (one: Conversion): boolean => (file === undefined || one.file === file) && (typeof command !== "string" || one.command === command);
  const jobs = converter.active.filter(meant).map((one) => summaryOf(one, converter, sources.now()));
  const { last } = converter;
  return { status: true, response: { ...filesProgressResponse(jobs), Last: lastOutcome(last !== undefined && meant(last) ? last : undefined) } };
}

/** `cancel` of a file: ends whatever converts it. */
export async function handleFileCancel(request: ManagementRequest, { converter, timeout }: HandlerContext): Promise<ResponseResult> {
  const file = fileOf(request);
  if (file === undefined) throw managementErrors.requestInvalid("whose job is meant? The request names neither a server nor a file", { field: "Server" });
  const meant = converter.active.filter((one) => one.file === file);
  if (meant.length === 0) throw managementErrors.jobUnknown(`"${file}" is not being converted`, { file });
  for (const one of meant) one.cancel("an operator cancelled it");
  const outcomes = await Promise.race([Promise.all(meant.map(({ done }) => done)), aborted(timeout(CANCEL_ANSWER_MS))]);
  if (outcomes === undefined) {
    throw supervisorErrors.jobHangs(`the ${meant[0]?.command ?? "conversion"} of "${file}" was told to end, and its process is still there`, { file, pid: meant[0]?.pid ?? 0 });
  }
  const ended = meant.filter((_one, index) => outcomes[index]?.state !== "succeeded");
  if (ended.length === 0) throw managementErrors.jobUnknown(`"${file}" had been converted before it could be cancelled`, { file });
  return { status: true, response: filesCancelResponse(ended) };
}
