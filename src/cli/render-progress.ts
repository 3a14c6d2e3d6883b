/** Text of running jobs: one sentence for lists and logs, one line with a bar for a terminal. */
import { formatByteSize, formatDuration } from "../common/index.ts";
import { isJsonObject } from "../management/index.ts";
import type { JsonObject } from "../management/index.ts";
import { flagIn, numberIn, objectsIn, textIn } from "./document-fields.ts";
import { displayWidth, printable, wrap } from "./table.ts";

/** A job as a `progress` answer tells of it, whichever daemon sent it. */
export interface JobView {
  readonly id: string | undefined;
  readonly command: string;
  /** Of a conversion. */
  readonly file: string | undefined;
  readonly state: string;
  readonly phase: string | undefined;
  readonly done: number;
  readonly total: number;
  readonly percentage: number;
  readonly bytesPerSecond: number | undefined;
  readonly elapsedMs: number;
  readonly remainingMs: number | undefined;
  readonly reason: string | undefined;
  /** Among the jobs that wait, from 1. */
  readonly place: number | undefined;
}

/** Reads an entry of Jobs, or the answer itself where a daemon knows no Jobs. */
export function readJob(job: JsonObject): JobView {
  const remaining = isJsonObject(job.Remaining) ? Number(numberIn(job.Remaining, "value") ?? 0) : 0;
  const elapsed = Number(numberIn(job, "Elapsed") ?? 0);
  const done = Number(numberIn(job, "Done") ?? 0);
  return {
    id: textIn(job, "Job"),
    command: textIn(job, "Command") ?? "job",
    file: textIn(job, "SourceFile"),
    state: textIn(job, "State") ?? "running",
    // pgmoneta's word for no phase yet.
    phase: textIn(job, "Phase") === "none" ? undefined : textIn(job, "Phase"),
    done,
    total: Number(numberIn(job, "Total") ?? 0),
    percentage: Math.max(0, Math.min(100, Number(numberIn(job, "Percentage") ?? 0))),
    bytesPerSecond:
      numberIn(job, "BytesPerSecond") === undefined
        ? elapsed > 0
          ? done / elapsed
          : undefined
        : Number(numberIn(job, "BytesPerSecond")),
    elapsedMs: elapsed * 1000,
    // pgmoneta sends 0 for "unknown" as well as for "at once".
    remainingMs: flagIn(job, "RemainingKnown") === true || remaining > 0 ? remaining * 1000 : undefined,
    reason: textIn(job, "Reason"),
    place: numberIn(job, "Place") === undefined ? undefined : Number(numberIn(job, "Place")),
  };
}

const bytesOf = (job: JobView): string[] => {
  if (job.total > 0) return [`${formatByteSize(job.done)} of ${formatByteSize(job.total)}`];
  return job.done > 0 ? [formatByteSize(job.done)] : [];
};

const rateOf = (job: JobView): string[] =>
  job.bytesPerSecond === undefined || job.bytesPerSecond <= 0 ? [] : [`${formatByteSize(job.bytesPerSecond)}/s`];

const leftOf = (job: JobView): string[] =>
  job.remainingMs === undefined || job.remainingMs <= 0 ? [] : [`${formatDuration(job.remainingMs)} left`];

/** One sentence: what runs, how far it is. */
export function describeJob(job: JobView): string {
  const name = `${job.command}${job.file === undefined ? "" : ` of ${job.file}`}${job.id === undefined ? "" : ` (job ${job.id})`}`;
  if (job.state === "waiting") {
    const place = job.place === undefined ? [] : [`number ${job.place} in line`];
    return [`${name}: waiting`, ...(job.reason === undefined ? [] : [job.reason]), ...place].join(", ");
  }
  const percent = job.total > 0 ? [`${job.percentage} %`] : [];
  const facts = [
    ...(job.phase === undefined ? [] : [job.phase]),
    ...(job.reason === undefined ? [] : [job.reason]),
    ...percent,
    ...bytesOf(job),
    ...rateOf(job),
    ...leftOf(job),
  ];
  return `${name}: ${job.state === "running" ? "" : `${job.state}, `}${facts.length === 0 ? "running" : facts.join(", ")}`;
}

export const renderJob = (job: JsonObject): string => printable(describeJob(readJob(job)));

/** How the last job went, for whoever left before its end. */
function renderLast(last: JsonObject): string[] {
  const name = `${textIn(last, "Command") ?? "job"} (job ${textIn(last, "Job") ?? "?"})`;
  const file = textIn(last, "SourceFile");
  const label = textIn(last, "Label") ?? textIn(last, "DestinationFile");
  const message = textIn(last, "Message");
  const hint = textIn(last, "Hint");
  return [
    ...wrap(
      `The last one, ${name}${file === undefined ? "" : ` of ${file}`}, ${textIn(last, "State") ?? "ended"}${label === undefined ? "" : `: ${label}`}${message === undefined ? "" : `: ${message}`}`,
      78,
    ),
    ...(hint === undefined ? [] : wrap(hint, 78, "  fix: ", "       ")),
  ];
}

/** `progress`. */
export function renderProgress(response: JsonObject): string[] {
  const jobs = objectsIn(response, "Jobs");
  if (jobs.length > 0) return jobs.map(renderJob);
  const state = Number(numberIn(response, "ProgressState") ?? 0);
  if (state !== 0) return [renderJob(response)];
  const last = response.Last;
  const server = textIn(response, "Server");
  const idle = server === undefined ? "No file is being converted." : `No job is running for ${server}.`;
  return [idle, ...(isJsonObject(last) ? renderLast(last) : [])];
}

/** The bytes at a width that does not change while they grow, so that the bar stands still. */
function steadyBytes(job: JobView): string[] {
  if (job.total <= 0) return bytesOf(job);
  return [`${formatByteSize(job.done).padStart(7)} of ${formatByteSize(job.total)}`];
}

/** `base backup`, or `restore: copy WAL` where the phase alone would not say what runs. */
function nameOf(job: JobView): string {
  if (job.phase === undefined) return job.command;
  return job.phase.includes(job.command) ? job.phase : `${job.command}: ${job.phase}`;
}

/**
 * One line for a terminal of `width` characters: what, bar, per cent, bytes, rate, time left. Facts that do not
 * fit are left out, the least important first; the bar takes what remains.
 */
export function progressLine(job: JobView, width: number): string {
  if (job.state === "waiting" || job.reason !== undefined) return clip(describeJob(job), width);
  const name = printable(nameOf(job));
  const percent = job.total > 0 ? `${String(job.percentage).padStart(3)} %` : formatDuration(job.elapsedMs);
  const rate = rateOf(job).map((text) => text.padStart(9));
  const left = leftOf(job).map((text) => text.padEnd(12));
  for (const facts of [[...steadyBytes(job), ...rate, ...left], [...steadyBytes(job), ...left], steadyBytes(job), []]) {
    const text = [percent, ...facts].join("  ");
    const room = width - 1 - displayWidth(name) - displayWidth(text) - 4;
    if (room < 10) continue;
    if (job.total <= 0) return `${name}  ${text}`.trimEnd();
    const cells = Math.min(room, 42) - 2;
    const full = Math.floor((cells * Math.max(0, Math.min(100, job.percentage))) / 100);
    return `${name}  [${"#".repeat(full)}${".".repeat(cells - full)}]  ${text}`.trimEnd();
  }
  return clip(`${name} ${percent}`, width);
}

function clip(text: string, width: number): string {
  let line = printable(text);
  while (line !== "" && displayWidth(line) >= width) line = line.slice(0, -1);
  return line;
}
