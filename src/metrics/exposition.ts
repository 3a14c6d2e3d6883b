/**
 * The two formats that Prometheus reads: the text format 0.0.4 and OpenMetrics 1.0. They differ in a few words, and in
 * that OpenMetrics names a counter without its `_total` and ends with a line that shows that nothing is missing.
 */
import type { DaemonFacts } from "./facts.ts";
import type { Family, SampleSink } from "./family.ts";

export type ExpositionFormat = "text" | "openmetrics";

export const contentTypes: Readonly<Record<ExpositionFormat, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** The last line of an OpenMetrics exposition. */
export const endOfExposition: Readonly<Record<ExpositionFormat, string>> = { text: "", openmetrics: "# EOF\n" };

/** Prefers OpenMetrics where the client takes it at least as well (RFC 9110 12.5.1, as far as these two types need it). */
export function chooseFormat(accept: string | undefined): ExpositionFormat {
  let best: { readonly format: ExpositionFormat; readonly weight: number } = { format: "text", weight: 0 };
  for (const range of (accept ?? "").toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const version = parameters.find((one) => one.startsWith("version="))?.slice("version=".length) ?? "1.0.0";
    const weight = Number(parameters.find((one) => one.startsWith("q="))?.slice(2) ?? 1);
    if (!(weight > 0)) continue;
    if (type === "application/openmetrics-text" && version === "1.0.0" && weight >= best.weight) {
      best = { format: "openmetrics", weight };
    } else if (["text/plain", "text/*", "*/*"].includes(type) && weight > best.weight) best = { format: "text", weight };
  }
  return best.format;
}

/** The text of a label's value between its quotes. */
export function escapeLabel(value: string): string {
  return /[\\"\n]/.test(value)
    ? value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
    : value;
}

export function formatValue(value: number | bigint): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}

/** The lines that go before the samples of a family. */
export function familyHead({ name, type, help }: Pick<Family, "name" | "type" | "help">, format: ExpositionFormat): string {
  const word = type === "unknown" && format === "text" ? "untyped" : type;
  const family = format === "openmetrics" && type === "counter" ? name.replace(/_total$/, "") : name;
  return `# HELP ${family} ${help}\n# TYPE ${family} ${word}\n`;
}

/** A bound as OpenMetrics writes it: always with a point. */
const formatBound = (bound: number): string => (Number.isInteger(bound) ? `${bound}.0` : String(bound));

/** Text of the samples that a family adds. */
export function openSamples({ name, labels, bounds = [] }: Family): SampleSink & { readonly text: () => string } {
  let text = "";
  const pairs = (values: readonly string[]): string[] =>
    labels.map((label, index) => `${label}="${escapeLabel(values[index] ?? "")}"`);
  const line = (suffix: string, own: readonly string[], value: number | bigint): void => {
    text += `${name}${suffix}${own.length === 0 ? "" : `{${own.join(",")}}`} ${formatValue(value)}\n`;
  };
  return {
    text: () => text,
    add: (value, ...values) => line("", pairs(values), value),
    histogram(buckets, sum, ...values) {
      let count = 0;
      for (const [index, bound] of [...bounds.map(formatBound), "+Inf"].entries()) {
        count += buckets[index] ?? 0;
        line("_bucket", [...pairs(values), `le="${bound}"`], count);
      }
      line("_sum", pairs(values), sum);
      line("_count", pairs(values), count);
    },
  };
}

/** One family with its samples; nothing at all where it has none. */
export function renderFamily(family: Family, facts: DaemonFacts, format: ExpositionFormat): string {
  const samples = openSamples(family);
  family.collect?.(facts, samples);
  const text = samples.text();
  return text === "" ? "" : familyHead(family, format) + text;
}
