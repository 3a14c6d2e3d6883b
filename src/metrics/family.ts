/**
 * What is known of one family of metrics: name, type, meaning, labels, and how its samples follow from the facts. The
 * tables of these (`table.ts`) are the only place where a family is declared: the exposition, the page that lists
 * them, the manual and the checks of dashboards and alert rules come from them.
 */
import type { DaemonFacts, ServerFacts } from "./facts.ts";

/**
 * `unknown` stands for what is called otherwise than the rules of the format want: pgmoneta's names are kept (counters
 * without a `_total`, and a gauge with one; a `_count` that is of no histogram).
 */
export type MetricType = "gauge" | "counter" | "histogram" | "unknown";

/** Takes the samples of one family, in their order. */
export interface SampleSink {
  /** One sample; the values of the labels in the order of `Family.labels`. */
  add(value: number | bigint, ...labels: readonly string[]): void;
  /** One histogram: how many observations each bucket had (not added up), the last one those above every bound. */
  histogram(buckets: readonly number[], sum: number, ...labels: readonly string[]): void;
}

export interface Family {
  readonly name: string;
  readonly type: MetricType;
  /** One sentence without a full stop; for the `HELP` line and the manual. */
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of the buckets of a histogram, without the last one, which is infinite. */
  readonly bounds?: readonly number[];
  /** Absent for what belongs to a single backup: such families are rendered by `backup-section.ts`. */
  readonly collect?: (facts: DaemonFacts, samples: SampleSink) => void;
}

/** A label as most families of a server have it: pgmoneta's, so that its families and ours can be joined. */
export const serverLabel = "name";

/** A family with one sample, or none where the value is not known. */
export function single(
  name: string,
  type: MetricType,
  help: string,
  value: (facts: DaemonFacts) => number | undefined,
): Family {
  return {
    name,
    type,
    help,
    labels: [],
    collect(facts, samples) {
      const known = value(facts);
      if (known !== undefined) samples.add(known);
    },
  };
}

/** A family with one sample a server, or none where the value is not known. */
export function perServer(
  name: string,
  type: MetricType,
  help: string,
  value: (server: ServerFacts, facts: DaemonFacts) => number | bigint | undefined,
): Family {
  return {
    name,
    type,
    help,
    labels: [serverLabel],
    collect(facts, samples) {
      for (const server of facts.servers) {
        const known = value(server, facts);
        if (known !== undefined) samples.add(known, server.name);
      }
    },
  };
}

/** A family with further labels for each server. */
export function perServerWith(
  name: string,
  type: MetricType,
  help: string,
  labels: readonly string[],
  collect: (server: ServerFacts, add: (value: number | bigint, ...labels: readonly string[]) => void, facts: DaemonFacts) => void,
): Family {
  return {
    name,
    type,
    help,
    labels: [serverLabel, ...labels],
    collect(facts, samples) {
      for (const server of facts.servers) collect(server, (value, ...own) => samples.add(value, server.name, ...own), facts);
    },
  };
}

/** 1 for the word that holds, 0 for the others: a state as Prometheus can count it. */
export function perState(
  name: string,
  help: string,
  words: readonly string[],
  current: (server: ServerFacts) => string,
): Family {
  return perServerWith(name, "gauge", help, ["state"], (server, add) => {
    const holds = current(server);
    for (const word of words) add(word === holds ? 1 : 0, word);
  });
}

export const flag = (value: boolean): number => (value ? 1 : 0);
/** Milliseconds, since 1970 or of a duration, as the seconds that Prometheus counts in. */
export const seconds = (ms: number): number => ms / 1000;
