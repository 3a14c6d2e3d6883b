/** How problems of the configuration are told. */
import type { MonetaError } from "../common/index.ts";
import type { ConfigProblem } from "./configuration.ts";
import { configErrors } from "./errors.ts";

/** `file:line: key: expected …`. */
export function formatProblem({ file, line, key, section, message }: ConfigProblem): string {
  const place = line === undefined ? file : `${file}:${line}`;
  const subject = key ?? (section === undefined || section === "" ? undefined : `[${section}]`);
  return subject === undefined ? `${place}: ${message}` : `${place}: ${subject}: ${message}`;
}

/** By file and line, so that a person can go through the file once. */
export function inFileOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return problems.toSorted((a, b) => a.file.localeCompare(b.file) || (a.line ?? Infinity) - (b.line ?? Infinity));
}

/** One error that names them all. */
export function invalid(problems: readonly ConfigProblem[]): MonetaError {
  const lines = inFileOrder(problems).map(formatProblem);
  const count = lines.length === 1 ? "1 problem" : `${lines.length} problems`;
  return configErrors.invalid(`the configuration has ${count}\n${lines.join("\n")}`, { problems: lines.length });
}
