/**
 * Edits of postgresql.conf and postgresql.auto.conf that leave every line alone which they do not mean: comments,
 * order, spelling and line ends stay. What Moneta adds stands in one block at the end of the file, between two
 * marks, so that it wins over all that comes before, can be told from the rest, and is replaced, not doubled.
 */
import { postgresErrors } from "./errors.ts";
import type { SettingLine } from "./settings-file.ts";
import { formatSettingsFile, parseSettingsFile, quoteSettingValue } from "./settings-file.ts";

/** What an edit took away, for the report to the operator. */
export interface SettingsEdit {
  readonly text: string;
  readonly removed: readonly SettingLine[];
}

const lowered = (names: Iterable<string>): Set<string> => new Set([...names].map((name) => name.toLowerCase()));

/** Removes every line that sets one of `names`. */
export function removeSettings(text: string, names: Iterable<string>): SettingsEdit {
  const wanted = lowered(names);
  const lines = parseSettingsFile(text);
  const removed = lines.filter((line) => line.kind === "setting").filter((line) => wanted.has(line.name));
  return { text: formatSettingsFile(lines.filter((line) => !removed.includes(line as SettingLine))), removed };
}

/**
 * Turns every line that sets one of `names` into a comment which keeps it: `# <note>: <the line>`. Taking the note
 * away undoes it.
 */
export function commentOutSettings(text: string, names: Iterable<string>, note: string): SettingsEdit {
  if (/[\r\n]/.test(note)) throw postgresErrors.settingsInvalid("a note in a configuration file has one line");
  const wanted = lowered(names);
  const removed: SettingLine[] = [];
  const edited = parseSettingsFile(text).map((line) => {
    if (line.kind !== "setting" || !wanted.has(line.name)) return line.raw;
    removed.push(line);
    return `# ${note}: ${line.raw.trimStart()}`;
  });
  return { text: edited.join(""), removed };
}

/** A block of settings with its explanation. */
export interface SettingsBlock {
  /** What the block is, in the line above and below it: `moneta restore`. */
  readonly name: string;
  /** Lines of explanation; line ends inside are allowed. */
  readonly comments: readonly string[];
  readonly settings: readonly (readonly [name: string, value: string])[];
}

const beginOf = (name: string) => `# --- begin of ${name} ---`;
const endOf = (name: string) => `# --- end of ${name} ---`;

/** The file without the block `name`; the rest as it was. A block without an end is damaged and refused. */
export function removeSettingsBlock(text: string, name: string): string {
  const lines = parseSettingsFile(text);
  const kept: string[] = [];
  let inside = false;
  for (const { raw, number } of lines) {
    const content = raw.trim();
    if (content === beginOf(name)) {
      if (inside)
        throw postgresErrors.settingsInvalid(`line ${number}: the block ${name} begins twice`, { line: number });
      inside = true;
    } else if (content === endOf(name) && inside) {
      inside = false;
    } else if (!inside) {
      kept.push(raw);
    }
  }
  if (inside) throw postgresErrors.settingsInvalid(`the block ${name} has no end`);
  return kept.join("");
}

/** The file with `block` at its end; an earlier block of that name is taken out first. */
export function putSettingsBlock(text: string, block: SettingsBlock): string {
  const rest = removeSettingsBlock(text, block.name);
  const separate = rest === "" || rest.endsWith("\n") ? rest : `${rest}\n`;
  const comments = block.comments.flatMap((comment) => comment.split(/\r?\n/)).map((line) => `# ${line}`.trimEnd());
  const settings = block.settings.map(([name, value]) => {
    if (!/^[A-Za-z_][A-Za-z_0-9.]*$/.test(name))
      throw postgresErrors.settingsInvalid(`${JSON.stringify(name)} is no setting`);
    return `${name} = ${quoteSettingValue(value)}`;
  });
  return `${separate}${[beginOf(block.name), ...comments, ...settings, endOf(block.name)].join("\n")}\n`;
}
