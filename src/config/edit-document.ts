/**
 * Changes one value of a configuration file and leaves the rest as it is: comments, order, blank lines, quotes of other
 * values, the ends of lines. Works on text alone, so that what is going to be written can be checked before it is.
 */
import { configErrors } from "./errors.ts";
import { parseIni, type IniDocument, type IniEntry, type IniSection } from "./ini-document.ts";

/** A place in a file. */
export interface ValuePlace {
  readonly section: string;
  readonly key: string;
}

const found = ({ sections }: IniDocument, name: string): IniSection | undefined => sections.find((section) => section.name === name);

const entryOf = (document: IniDocument, { section, key }: ValuePlace): IniEntry | undefined =>
  found(document, section)?.entries.find((entry) => entry.key === key);

/** The value as the file has it, without quotes; undefined where it is not set. */
export function valueIn(document: IniDocument, place: ValuePlace): string | undefined {
  return entryOf(document, place)?.value;
}

/** Lines with their own ends, which the file may have mixed. */
function linesOf(text: string): string[] {
  return text.split("\n");
}

const lineEnd = (text: string): string => (/\r\n/.test(text) ? "\r" : "");

/** How a value is written so that it is read back as it is; tried in this order. */
const spellings: readonly ((value: string) => string)[] = [(value) => value, (value) => `"${value}"`, (value) => `'${value}'`];

/** Where a new key of a section goes: after the last line that is not blank, before the comments that announce the next section. */
function endOfSection(section: IniSection): number {
  const last = section.entries.at(-1);
  return last === undefined ? section.line : Math.max(last.line, section.line);
}

/** The text with one value changed or added, written as `spelled`. */
function written(document: IniDocument, text: string, place: ValuePlace, spelled: string): string {
  const lines = linesOf(text);
  const cr = lineEnd(text);
  const entry = entryOf(document, place);
  if (entry !== undefined) {
    // The first line may begin with a byte order mark, which the columns do not count.
    const shift = entry.line === 1 && text.startsWith("\uFEFF") ? 1 : 0;
    const line = lines[entry.line - 1] ?? "";
    const before = line.slice(0, entry.from + shift);
    const gap = before.endsWith("=") && entry.from === entry.to ? " " : "";
    const after = line.slice(entry.to + shift);
    // `key =# comment` has no white space that a comment needs in front of it.
    const space = after !== "" && !/^\s/.test(after) ? " " : "";
    return lines.with(entry.line - 1, `${before}${gap}${spelled}${space}${after}`).join("\n");
  }
  const added = `${place.key} = ${spelled}${cr}`;
  const section = found(document, place.section);
  if (section !== undefined) {
    const at = endOfSection(section);
    // The last line of a file may have no end.
    if (at === lines.length) return `${text}${cr}\n${place.key} = ${spelled}`;
    return lines.toSpliced(at, 0, added).join("\n");
  }
  const gap = text === "" ? "" : text.endsWith("\n") ? `${cr}\n` : `${cr}\n${cr}\n`;
  return `${text}${gap}[${place.section}]${cr}\n${added}\n`;
}

/**
 * The text with `place` set to `value`; a section or key that is missing is added. Throws `CONFIGURATION_UNWRITABLE` for a value or name
 * that the syntax has no way to write, and for a file that repeats the section or key, where it would not be clear which one is meant.
 */
export function setValue(file: string, text: string, place: ValuePlace, value: string): string {
  const document = parseIni(file, text);
  if (/[\r\n]/.test(value)) throw configErrors.unwritable(`a value of ${place.key} with the end of a line in it has no place in a file`, { key: place.key });
  for (const spell of spellings) {
    const edited = written(document, text, place, spell(value));
    const read = parseIni(file, edited);
    const entry = entryOf(read, place);
    if (entry?.value === value && read.problems.length <= document.problems.length) return edited;
  }
  throw configErrors.unwritable(`"${file}" cannot have the key ${place.key} of [${place.section}] set to that value`, {
    file,
    key: place.key,
    section: place.section,
  });
}

/** The text without a key, or without a whole section with its comments. Throws `CONFIGURATION_NOT_SET` when it is not there. */
export function removeValue(file: string, text: string, place: { readonly section: string; readonly key?: string }): string {
  const document = parseIni(file, text);
  const lines = linesOf(text);
  const section = found(document, place.section);
  if (section === undefined) throw notSet(file, place);
  if (place.key !== undefined) {
    const entry = entryOf(document, { section: place.section, key: place.key });
    if (entry === undefined) throw notSet(file, place);
    return lines.toSpliced(entry.line - 1, 1).join("\n");
  }
  const next = document.sections.filter(({ line }) => line > section.line).reduce((first, { line }) => Math.min(first, line), lines.length + 1);
  let until = next - 1;
  // The comments right above the next header belong to that one.
  if (next <= lines.length) while (until > section.line && /^\s*[#;]/.test(lines[until - 1] ?? "")) until -= 1;
  const left = lines.toSpliced(section.line - 1, until - (section.line - 1)).join("\n");
  return next <= lines.length || left === "" || left.endsWith("\n") ? left : `${left}\n`;
}

/** That a section or key is not in a file. */
export function notSet(file: string, { section, key }: { readonly section: string; readonly key?: string | undefined }) {
  const what = key === undefined ? `the section [${section}]` : `the key ${key} of [${section}]`;
  return configErrors.notSet(`"${file}" does not have ${what}`, { file, section, key: key ?? null });
}
