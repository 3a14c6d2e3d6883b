/** Runs inputs and judges what came of each: an answer, a refusal of the catalogue, or a defect. */
import { MonetaError, unexpectedError } from "../../../src/common/index.ts";
import { largestAllocation, watchAllocations } from "./allocations.ts";
import type { NumberedInput } from "./input.ts";
import { createRandom } from "./random.ts";
import type { FuzzTarget, OpenTarget } from "./target.ts";

export interface Judgement {
  /** Code of the refusal; undefined for an accepted input. */
  readonly refusal: string | undefined;
  readonly defect: Defect | undefined;
  readonly elapsedMs: number;
}

export interface Defect {
  /** The same for the same defect: by this it is counted once and minimised. */
  readonly signature: string;
  readonly text: string;
}

const allowedAllocation = 1024 * 1024;
const perInputByte = 16;
/** An input that takes longer is tried again; the least of its times counts, so that a busy machine is no defect. */
const usualPatienceMs = 400;
const furtherAttempts = 3;

/** Bytes. */
const allocationLimit = (target: FuzzTarget, length: number): number => (target.allocation ?? allowedAllocation) + perInputByte * length;

function defectOf(error: unknown): Defect {
  if (!(error instanceof Error)) return { signature: "no error", text: `thrown: ${String(error)}` };
  const [first = ""] = error.message.split("\n");
  const place = /\((?:file:\/\/)?[^()]*\/((?:src|test)\/[^():]*):/.exec(error.stack ?? "")?.[1] ?? "";
  return { signature: `${error.name} ${place} ${first.replace(/\d+/g, "N").slice(0, 60)}`, text: error.stack ?? error.message };
}

async function attempt(target: OpenTarget, input: Buffer, seed: string): Promise<Omit<Judgement, "elapsedMs">> {
  try {
    return { refusal: await target.run(input, createRandom(seed)), defect: undefined };
  } catch (error) {
    if (error instanceof MonetaError && error.code !== unexpectedError.code) return { refusal: error.code, defect: undefined };
    return { refusal: undefined, defect: defectOf(error) };
  }
}

/** `seed` decides where the target cuts the input; the same seed gives the same judgement. */
export async function judge(
  target: FuzzTarget,
  open: OpenTarget,
  input: Buffer,
  seed: string,
  patienceMs = usualPatienceMs,
): Promise<Judgement> {
  watchAllocations();
  const start = performance.now();
  const { refusal, defect } = await attempt(open, input, seed);
  let elapsedMs = performance.now() - start;
  if (defect !== undefined) return { refusal, defect, elapsedMs };
  const limit = allocationLimit(target, input.length);
  const largest = largestAllocation();
  if (largest > limit) {
    const text = `an input of ${input.length} bytes made it allocate ${largest} bytes at once, allowed are ${limit}`;
    return { refusal, defect: { signature: "allocation", text }, elapsedMs };
  }
  for (let again = 0; elapsedMs > patienceMs && again < furtherAttempts; again += 1) {
    const before = process.cpuUsage();
    await attempt(open, input, seed);
    const { user, system } = process.cpuUsage(before);
    elapsedMs = Math.min(elapsedMs, (user + system) / 1000);
  }
  if (elapsedMs <= patienceMs) return { refusal, defect: undefined, elapsedMs };
  const text = `an input of ${input.length} bytes kept it busy for ${Math.round(elapsedMs)} ms`;
  return { refusal, defect: { signature: "slow", text }, elapsedMs };
}

/**
 * Judges inputs that are under way together. What one of them did wrong, took too long for or asked too much memory for is
 * found out by judging each by itself; what went wrong only beside the others is a defect all the same. `elapsedMs` has the
 * time of the others in it.
 */
export async function judgeTogether(
  target: FuzzTarget,
  open: OpenTarget,
  inputs: readonly NumberedInput[],
  patienceMs = usualPatienceMs,
): Promise<Judgement[]> {
  const alone = ({ bytes, seed }: NumberedInput): Promise<Judgement> => judge(target, open, bytes, seed, patienceMs);
  const [first] = inputs;
  if (first !== undefined && inputs.length === 1) return [await alone(first)];
  watchAllocations();
  const start = performance.now();
  const together = await Promise.all(
    inputs.map(async ({ bytes, seed }) => ({ ...(await attempt(open, bytes, seed)), elapsedMs: performance.now() - start })),
  );
  const least = Math.min(...inputs.map(({ bytes }) => bytes.length));
  const harmless =
    largestAllocation() <= allocationLimit(target, least) &&
    together.every(({ defect, elapsedMs }) => defect === undefined && elapsedMs <= patienceMs);
  if (harmless) return together;
  const judged: Judgement[] = [];
  for (const [index, input] of inputs.entries()) {
    const own = await alone(input);
    const beside = together[index]?.defect;
    const text = `only beside the ${inputs.length - 1} that were under way with it: ${beside?.text ?? ""}`;
    judged.push(own.defect !== undefined || beside === undefined ? own : { ...own, defect: { ...beside, text } });
  }
  return judged;
}
