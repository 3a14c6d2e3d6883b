/** The README of a bundle: what each file is, what is missing, and what was taken out. */
import type { BundlePart } from "./part.ts";
import { ruleNames } from "./redact-bundle.ts";

export interface BundleOrigin {
  /** Of the program that wrote it. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly made: number;
  /** Whom it asked: a daemon and where, or the files of this machine. */
  readonly source: string;
}

const line = ({ about, name, remark }: BundlePart): string => `  ${name}\n      ${about}${remark === undefined ? "" : `\n      ${remark}`}`;

/** The text of the README. */
export function bundleReadme(parts: readonly BundlePart[], { made, source, version }: BundleOrigin): string {
  const there = parts.filter(({ text }) => text !== undefined);
  const missing = parts.filter(({ text }) => text === undefined);
  return `${[
    `Support bundle of Moneta ${version}, made at ${new Date(made).toISOString()} from ${source}.`,
    "",
    missing.length === 0 ? "It is complete." : `It is INCOMPLETE: ${missing.length} of ${parts.length} parts could not be had.`,
    "",
    ...(missing.length === 0 ? [] : ["Missing, and why:", "", ...missing.map(line), ""]),
    "What is in it:",
    "",
    ...there.map(line),
    "",
    "Times are UTC where nothing else is said. Long files and lists are shortened; what was",
    "left out stands with them.",
    "",
    "*** stands where a secret was: passwords, keys, tokens and addresses of webhooks that the",
    "configuration, the users and admins files and the master key have, wherever they stood,",
    "and what has the form of one:",
    ...ruleNames.map((name) => `  ${name}`),
    "",
    "Names of servers, hosts, accounts, databases and directories are in it, and what PostgreSQL",
    "said in its messages. Look through it before you give it to others.",
  ].join("\n")}\n`;
}
