/** A report in the form of Nagios' plugins: a first line with the figures behind a bar, then what is wrong, line by line. */
/** A figure with its levels, as `'label'=value[unit];warning;critical`. */
export interface Figure {
  readonly label: string;
  readonly value: number;
  readonly unit: "s" | "B" | "";
  readonly warning?: number | undefined;
  readonly critical?: number | undefined;
}

export type PluginStatus = "OK" | "WARNING" | "CRITICAL" | "UNKNOWN";

/** A bar begins the figures, and a line is a line. */
const plain = (text: string): string => text.replaceAll("|", "/").replaceAll(/\s+/g, " ");

const figureText = ({ label, value, unit, warning, critical }: Figure): string =>
  `'${label}'=${Math.round(value)}${unit};${warning ?? ""};${critical ?? ""}`;

/** What a plugin prints. */
export function pluginOutput(status: PluginStatus, summary: string, lines: readonly string[], figures: readonly Figure[] = []): string[] {
  const bar = figures.length === 0 ? "" : ` | ${figures.map(figureText).join(" ")}`;
  return [`MONETA ${status} - ${plain(summary)}${bar}`, ...lines.map(plain)];
}

/** A result as far as the output needs it: the command line has it from a document. */
export interface PluginResult {
  readonly code: string;
  readonly status: string;
  readonly message: string;
  readonly fix?: string | undefined;
  readonly ignored: boolean;
}

export interface PluginReport {
  readonly server: string;
  readonly status: string;
  readonly results: readonly PluginResult[];
  readonly figures: readonly Figure[];
}

const words: Readonly<Record<string, PluginStatus>> = { ok: "OK", warning: "WARNING", critical: "CRITICAL" };
const rank = ["critical", "warning", "unknown"];

/** The output for one server. */
export function nagiosLines({ server, status, results, figures }: PluginReport): string[] {
  const wrong = results
    .filter((result) => rank.includes(result.status) && !result.ignored)
    .toSorted((a, b) => rank.indexOf(a.status) - rank.indexOf(b.status));
  const [first] = wrong;
  const more = wrong.length > 1 ? ` (and ${wrong.length - 1} more)` : "";
  const good = results.filter((result) => result.status === "ok").length;
  const summary = first === undefined ? `${server}: ${good} checks` : `${server}: ${first.code}: ${first.message}${more}`;
  const lines = wrong.map((result) => `${result.status.toUpperCase()} ${result.code}: ${result.message}${result.fix === undefined ? "" : ` - ${result.fix}`}`);
  return pluginOutput(words[status] ?? "UNKNOWN", summary, lines, figures);
}
