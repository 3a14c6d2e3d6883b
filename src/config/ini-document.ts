/**
 * pgmoneta's configuration syntax, read with positions and without a limit on the length of a line:
 * `[section]`, `key = value`, `# comment`, `; comment`.
 *
 * A comment begins at the start of a line or after white space, outside quotes; so a password or a format may
 * contain `#`. Every line is kept as it was, and every value knows its columns, so that an edit can replace
 * one value and leave the rest, comments included, untouched.
 */
import type { ConfigProblem } from "./configuration.ts";

export interface IniEntry {
  readonly section: string;
  readonly key: string;
  /** Without the quotes. */
  readonly value: string;
  readonly quote: '"' | "'" | undefined;
  /** Counted from 1. */
  readonly line: number;
  /** Where the value lies in its line, quotes included: characters from `from` up to, not including, `to`. */
  readonly from: number;
  readonly to: number;
}

export interface IniSection {
  readonly name: string;
  /** Line of the header, counted from 1. */
  readonly line: number;
  /** In the order of the file, without the repetitions that `problems` reports. */
  readonly entries: readonly IniEntry[];
}

export interface IniDocument {
  readonly file: string;
  /** The lines as they are, without their ends. */
  readonly lines: readonly string[];
  readonly sections: readonly IniSection[];
  /** What is wrong with the syntax; everything that could be read is there nevertheless. */
  readonly problems: readonly ConfigProblem[];
}

export interface IniOptions {
  /** For the files in which the names of sections do not matter: keys are one set, also before the first header. */
  readonly sectionsMatter: boolean;
}

const space = /\s/;

/** A quote that stands behind a letter or digit is an apostrophe, as in `it's`. */
function opensQuote(line: string, at: number): boolean {
  return /["']/.test(line.charAt(at)) && !/[\p{L}\p{N}]/u.test(line.charAt(at - 1));
}

/** Index of the comment in `line`, or its length: `#` or `;` at the start or after white space, outside quotes. */
function commentStart(line: string, from: number): number {
  let quote: string | undefined;
  for (let at = from; at < line.length; at++) {
    const character = line.charAt(at);
    if (quote !== undefined) {
      if (character === quote) quote = undefined;
    } else if (opensQuote(line, at) && line.includes(character, at + 1)) {
      // A quote that is never closed is a character like others.
      quote = character;
    } else if ((character === "#" || character === ";") && (at === 0 || space.test(line.charAt(at - 1)))) {
      return at;
    }
  }
  return line.length;
}

interface ValuePosition {
  readonly from: number;
  readonly to: number;
}

/** Columns of the value after the equals sign at `equals`. */
function valuePosition(line: string, equals: number): ValuePosition {
  let from = equals + 1;
  while (from < line.length && space.test(line.charAt(from))) from++;
  const end = commentStart(line, equals + 1);
  // `key = # comment`: the comment begins where the value would.
  if (end <= from) return { from: end, to: end };
  return { from, to: from + line.slice(from, end).trimEnd().length };
}

function unquote(text: string): { readonly value: string; readonly quote: '"' | "'" | undefined } {
  const first = text.charAt(0);
  const quoted = (first === '"' || first === "'") && text.length >= 2 && text.indexOf(first, 1) === text.length - 1;
  return quoted ? { value: text.slice(1, -1), quote: first } : { value: text, quote: undefined };
}

/** Reads a whole file. Never throws for what the text contains: see `problems`. */
export function parseIni(file: string, text: string, options: IniOptions = { sectionsMatter: true }): IniDocument {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const problems: ConfigProblem[] = [];
  const sections: { name: string; line: number; entries: IniEntry[] }[] = [];
  const seen = new Map<string, IniEntry>();
  const sectionsByName = new Map<string, (typeof sections)[number]>();
  let current: (typeof sections)[number] | undefined;

  const report = (line: number, key: string | undefined, message: string): void => {
    problems.push({ file, line, section: current?.name, key, message });
  };
  const openSection = (name: string, line: number): void => {
    const earlier = sectionsByName.get(name);
    if (earlier === undefined || !options.sectionsMatter) {
      current = { name, line, entries: [] };
      sections.push(current);
      sectionsByName.set(name, earlier ?? current);
    } else {
      // Its keys are read into the first one, so that what is wrong with them is reported in the same run.
      current = earlier;
      report(line, undefined, `expected each section once, but [${name}] begins in line ${earlier.line} already`);
    }
  };
  const addEntry = (entry: IniEntry): void => {
    const identity = options.sectionsMatter ? `${entry.section}\n${entry.key}` : entry.key;
    const earlier = seen.get(identity);
    if (earlier !== undefined) {
      report(
        entry.line,
        entry.key,
        `expected each key once in a section, but it is set in line ${earlier.line} already`,
      );
      return;
    }
    seen.set(identity, entry);
    current?.entries.push(entry);
  };

  for (const [index, line] of lines.entries()) {
    const number = index + 1;
    const content = line.trim();
    if (content === "" || content.startsWith("#") || content.startsWith(";")) continue;
    const header = /^\s*\[([^\]]*)\]\s*(?:[#;].*)?$/.exec(line);
    if (header !== null) {
      const name = (header[1] ?? "").trim();
      if (name === "") report(number, undefined, "expected the name of a section between the brackets");
      else openSection(name, number);
      continue;
    }
    const equals = line.indexOf("=");
    const key = line.slice(0, Math.max(equals, 0)).trim();
    if (key === "" || key.startsWith("[")) {
      report(number, undefined, "expected [section], key = value, or a comment that begins with # or ;");
      continue;
    }
    if (current === undefined) {
      if (options.sectionsMatter) {
        report(number, key, "expected a section such as [pgmoneta] before the first key");
        continue;
      }
      openSection("", number);
    }
    const { from, to } = valuePosition(line, equals);
    const raw = line.slice(from, to);
    if (/^["']/.test(raw) && unquote(raw).quote === undefined) {
      report(number, key, `expected the closing ${raw.charAt(0)} at the end of the value`);
      continue;
    }
    addEntry({ section: current?.name ?? "", key, ...unquote(raw), line: number, from, to });
  }
  return { file, lines, sections, problems };
}
