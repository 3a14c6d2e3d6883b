/** A support bundle is made of parts; one that fails takes none of the others with it, and is named. */
import { errorToRecord, toMonetaError, withTimeout } from "../common/index.ts";
import { boundedText, type PartContent } from "./bounded-text.ts";
import { diagnoseErrors } from "./errors.ts";

export interface BundlePart {
  /** Path in the bundle. */
  readonly name: string;
  /** What it is, a sentence for the README. */
  readonly about: string;
  /** Undefined when it could not be had. */
  readonly text: string | undefined;
  /** Why it could not be had, or what was left out of it. */
  readonly remark: string | undefined;
}

export interface PartPlan {
  readonly name: string;
  readonly about: string;
  /** What may hang, and holds a thread of the process then: after one part of it nothing more is asked of it. */
  readonly place?: string;
  readonly produce: (signal: AbortSignal) => Promise<PartContent>;
}

/** A part has this long, milliseconds: whoever asks for a bundle has a daemon, a disk or a server that may hang. */
export const partTimeMs = 60_000;

/** The sentence of an error with its code; of its cause where the sentence does not say it. */
export function describeFailure(error: unknown): string {
  const { cause, code, message } = errorToRecord(toMonetaError(error));
  return `${message}${cause === undefined || message.includes(cause) ? "" : `: ${cause}`} (${code})`;
}

async function attempt({ name, about, produce }: PartPlan, signal: AbortSignal, timeMs: number): Promise<{ readonly part: BundlePart; readonly late: boolean }> {
  try {
    const { text, remark } = await withTimeout(timeMs, signal, produce, () =>
      diagnoseErrors.partLate(`${name} was not there within ${timeMs / 1000} s`, { part: name }),
    );
    const { text: bounded, remark: cut } = boundedText(text);
    const remarks = [remark, cut].filter((each) => each !== undefined);
    return { part: { name, about, text: bounded, remark: remarks.length === 0 ? undefined : remarks.join("; ") }, late: false };
  } catch (error) {
    if (signal.aborted) throw error;
    return { part: { name, about, text: undefined, remark: describeFailure(error) }, late: diagnoseErrors.partLate.is(error) };
  }
}

/** Makes the part; a failure is one part that is missing, with the reason. Only the outer signal makes it throw. */
export async function makePart(plan: PartPlan, signal: AbortSignal, timeMs = partTimeMs): Promise<BundlePart> {
  return (await attempt(plan, signal, timeMs)).part;
}

/** One after the other: nothing here is worth keeping other work waiting. */
export async function makeParts(plans: readonly PartPlan[], signal: AbortSignal, timeMs = partTimeMs): Promise<BundlePart[]> {
  const parts: BundlePart[] = [];
  /** By place, the part that did not come. */
  const hung = new Map<string, string>();
  for (const plan of plans) {
    const { about, name, place } = plan;
    const before = place === undefined ? undefined : hung.get(place);
    if (before !== undefined) {
      parts.push({ name, about, text: undefined, remark: describeFailure(diagnoseErrors.partLate(`not asked for, because ${before} did not come either`)) });
      continue;
    }
    const { late, part } = await attempt(plan, signal, timeMs);
    if (late && place !== undefined) hung.set(place, name);
    parts.push(part);
  }
  return parts;
}

/** A value as indented JSON, for people and programs. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
