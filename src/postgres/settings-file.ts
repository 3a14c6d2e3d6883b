/**
 * postgresql.conf and postgresql.auto.conf as lines (PostgreSQL manual, "Parameter Interaction via the Configuration
 * File"; guc-file.l). No value spans lines, so each line is read by itself, and putting the lines together again
 * gives the file back byte for byte. Texts are in the form of `pathFromBytes`: such files need not be UTF-8.
 */
import { postgresErrors } from "./errors.ts";
import { pathFromBytes, pathToBytes } from "./file-path.ts";

export type SettingsLine = SettingLine | IncludeLine | PlainLine;

/** `name = value`. */
export interface SettingLine {
  readonly kind: "setting";
  /** From 1. */
  readonly number: number;
  /** The line as written, its end included. */
  readonly raw: string;
  /** In lower case: PostgreSQL does not tell cases apart. */
  readonly name: string;
  /** Without quotes and escapes; units stand as written (`128MB`). */
  readonly value: string;
  /** With its `#`, empty without one. */
  readonly comment: string;
}

/** `include 'file'` and its two variants: the value of a later line can come from another file. */
export interface IncludeLine {
  readonly kind: "include" | "include_if_exists" | "include_dir";
  readonly number: number;
  readonly raw: string;
  /** Path as written, relative to the directory of this file. */
  readonly value: string;
  readonly comment: string;
}

/** An empty line, a comment, or a line with which PostgreSQL would refuse to start. */
export interface PlainLine {
  readonly kind: "empty" | "comment" | "invalid";
  readonly number: number;
  readonly raw: string;
}

const identifier = String.raw`[A-Za-z_\u0080-\uffff][A-Za-z_0-9\u0080-\uffff]*`;
const forms = [
  String.raw`'(?:[^'\\]|\\.|'')*'`,
  // Two identifiers with a dot between them are a name, never a value.
  String.raw`(?!${identifier}\.${identifier}(?![A-Za-z_0-9\u0080-\uffff\-._:/]))[A-Za-z_\u0080-\uffff][A-Za-z_0-9\u0080-\uffff\-._:/]*`,
  String.raw`[+-]?(?:0x[0-9a-fA-F]+|[0-9]+)[a-zA-Z]*`,
  String.raw`[+-]?[0-9]*\.[0-9]*(?:[eE][+-]?[0-9]+)?`,
];
const settingLine = new RegExp(
  String.raw`^[ \t\r]*(${identifier}(?:\.${identifier})?)(?:[ \t\r]*=[ \t\r]*|[ \t\r]+|(?=['+]))(${forms.join("|")})[ \t\r]*(#.*)?$`,
  "s",
);
/** Characters; a longer line is no setting of anybody, and taking it apart would need memory without a bound. */
const longestLine = 256 * 1024;
const includeKinds = new Set(["include", "include_if_exists", "include_dir"]);
const letters = new Map([
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

/** A value without its quotes and escapes (`DeescapeQuotedString`). */
function unquote(written: string): string {
  if (!written.startsWith("'")) return written;
  const value = written.slice(1, -1).replace(/''|\\([0-7]{1,3}|[^])/g, (all, escape: string | undefined) => {
    if (all === "''" || escape === undefined) return "'";
    if (!/^[0-7]/.test(escape)) return letters.get(escape) ?? escape;
    const byte = Number.parseInt(escape, 8) & 0xff;
    return String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte);
  });
  // Bytes written as numbers can make up characters together.
  return value === "" ? value : pathFromBytes(pathToBytes(value));
}

function lineOf(raw: string, number: number): SettingsLine {
  const text = raw.endsWith("\n") ? raw.slice(0, -1) : raw;
  if (/^[ \t\r]*$/.test(text)) return { kind: "empty", number, raw };
  if (/^[ \t\r]*#/.test(text)) return { kind: "comment", number, raw };
  const match = text.length > longestLine ? null : settingLine.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return { kind: "invalid", number, raw };
  const name = match[1].toLowerCase();
  const value = unquote(match[2]);
  const comment = match[3] ?? "";
  if (includeKinds.has(name)) return { kind: name as IncludeLine["kind"], number, raw, value, comment };
  return { kind: "setting", number, raw, name, value, comment };
}

/** Reads a file into its lines. Never throws: a line that PostgreSQL would refuse is `invalid`. */
export function parseSettingsFile(text: string): SettingsLine[] {
  return (text.match(/[^\n]*\n|[^\n]+$/g) ?? []).map((raw, index) => lineOf(raw, index + 1));
}

/** The file again. */
export function formatSettingsFile(lines: readonly SettingsLine[]): string {
  return lines.map((line) => line.raw).join("");
}

/**
 * The settings of a file by name: the last line wins, as in PostgreSQL. Included files are not followed.
 * Throws POSTGRES_SETTINGS_INVALID naming `file` and the line that PostgreSQL would refuse.
 */
export function readSettings(text: string, file: string): Map<string, string> {
  const settings = new Map<string, string>();
  for (const line of parseSettingsFile(text)) {
    if (line.kind === "invalid") {
      throw postgresErrors.settingsInvalid(`${file}, line ${line.number}: not a setting`, { file, line: line.number });
    }
    if (line.kind === "setting") settings.set(line.name, line.value);
  }
  return settings;
}

/** A value as PostgreSQL reads it, always in quotes. Throws POSTGRES_SETTINGS_INVALID for a zero byte. */
export function quoteSettingValue(value: string): string {
  if (value.includes("\0")) throw postgresErrors.settingsInvalid("the value of a setting cannot hold a zero byte");
  const escaped = value.replace(/['\\]/g, "$&$&").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
  return `'${escaped}'`;
}
