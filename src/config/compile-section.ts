/**
 * Turns the entries of one section into typed values by its option table; reports everything that is wrong with them. Of the
 * machine only the files that secrets name are read.
 */
import { isAbsolute, resolve } from "node:path";
import type { ConfigProblem } from "./configuration.ts";
import { expandVariables } from "./environment-variables.ts";
import type { IniEntry, IniSection } from "./ini-document.ts";
import type { AnyOption, DefaultContext, OptionTable, Parsed } from "./option.ts";
import { namesSource, readSecret } from "./secret-source.ts";
import { suggestion } from "./suggestion.ts";
import { path } from "./value-kinds.ts";

/** What values depend on besides the file. */
export interface CompileContext {
  readonly file: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string;
  readonly userId: number;
  /** True for commands that must work on the day after: a key of a feature that is not there is reported, not refused. */
  readonly tolerateRefused: boolean;
}

export interface CompiledSection {
  /** By key, defaults included. */
  readonly values: ReadonlyMap<string, unknown>;
  /** The entries that were set in the file and could be read, by key. */
  readonly entries: ReadonlyMap<string, IniEntry>;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

function parseEntry(entry: IniEntry, option: AnyOption, context: CompileContext): Parsed<unknown> {
  let text = entry.value;
  if (option.expandsEnvironment === true && entry.quote !== "'") {
    const expanded = expandVariables(text, context.environment);
    if (!expanded.ok) return expanded;
    text = expanded.value;
  }
  if (option.secret === true) {
    const secret = readSecret(text, context.environment, context.userId);
    if (!secret.ok) return secret;
    text = secret.value;
  }
  return option.kind.parse(text);
}

/** Relative paths belong to the directory in which the command was started, as in pgmoneta. */
export function absolute(option: AnyOption, value: unknown): unknown {
  return option.kind === path && typeof value === "string" && !isAbsolute(value) ? resolve(value) : value;
}

/** What is wrong with an entry, naming what was found unless that is a secret. */
function expected(option: AnyOption, entry: IniEntry, reason: string | undefined): string {
  const found = option.secret === true ? "" : `, found ${entry.value === "" ? "nothing" : `"${entry.value}"`}`;
  return `expected ${reason ?? option.kind.expected}${found}`;
}

/**
 * Compiles one section.
 *
 * @param main values of `[pgmoneta]`, from which the inherited keys of a server section come
 */
export function compileSection(
  section: IniSection,
  table: OptionTable,
  context: CompileContext,
  main: ReadonlyMap<string, unknown> = new Map(),
): CompiledSection {
  const values = new Map<string, unknown>();
  const entries = new Map<string, IniEntry>();
  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  const aliases = new Map(
    Object.entries(table).flatMap(([key, { alias }]) => (alias === undefined ? [] : [[alias, key] as const])),
  );
  const about = (entry: IniEntry, message: string): ConfigProblem => ({
    file: context.file,
    line: entry.line,
    section: section.name,
    key: entry.key,
    message,
  });

  for (const entry of section.entries) {
    const key = aliases.get(entry.key) ?? entry.key;
    const option = Object.hasOwn(table, key) ? table[key] : undefined;
    if (option === undefined) {
      const meant = suggestion(entry.key, Object.keys(table));
      problems.push(
        about(entry, `expected a key of this section${meant === undefined ? "" : `: did you mean ${meant}?`}`),
      );
      continue;
    }
    if (entries.has(key)) {
      problems.push(
        about(
          entry,
          `expected each key once in a section, but ${key} is set in line ${entries.get(key)?.line ?? 0} already`,
        ),
      );
      continue;
    }
    const { presence, status } = option;
    if (presence.is === "inherited" && presence.token !== undefined && entry.value === presence.token) continue;
    const result = parseEntry(entry, option, context);
    const unneeded = option.status.is === "not-active" || context.tolerateRefused;
    if (!result.ok && option.secret === true && unneeded && namesSource(entry.value)) {
      // Nothing needs it: that it cannot be had is no reason not to start, nor to restore on the day after on another machine.
      warnings.push(about(entry, expected(option, entry, result.reason)));
      // It is set, for whoever needs both of two keys; only its value is not known here.
      if (context.tolerateRefused) entries.set(key, entry);
      continue;
    }
    if (!result.ok) {
      problems.push(about(entry, expected(option, entry, result.reason)));
      continue;
    }
    entries.set(key, entry);
    const own = absolute(option, result.value);
    // Without a main section, which is complained of elsewhere, there is nothing to merge with.
    const merged =
      presence.is === "inherited" && presence.merge !== undefined && main.has(key)
        ? presence.merge(own, main.get(key))
        : own;
    values.set(key, merged);
    if (status.is === "active" || asksForNothing(option, own)) continue;
    if (status.is === "refused" && !context.tolerateRefused) {
      problems.push(about(entry, `expected the key not to be set: ${status.reason}`));
    } else {
      warnings.push(about(entry, `not active: ${status.reason}`));
    }
  }

  const attempted = new Set(section.entries.map(({ key }) => aliases.get(key) ?? key));
  for (const [key, option] of Object.entries(table)) {
    const { presence, kind } = option;
    if (values.has(key)) continue;
    if (presence.is === "default") values.set(key, absolute(option, presence.value));
    if (presence.is === "inherited") values.set(key, main.get(key));
    if (presence.is === "optional") values.set(key, undefined);
    if (presence.is === "required" && !attempted.has(key)) {
      problems.push({
        file: context.file,
        line: section.line,
        section: section.name,
        key,
        message: `expected ${kind.expected}, but the key is missing`,
      });
    }
  }
  const defaults: DefaultContext = { ...context, values };
  for (const [key, option] of Object.entries(table)) {
    if (!values.has(key) && option.presence.is === "computed")
      values.set(key, absolute(option, option.presence.from.compute(defaults)));
  }
  return { values, entries, problems, warnings };
}

function asksForNothing(option: AnyOption, value: unknown): boolean {
  if (option.asksForNothing !== undefined) return option.asksForNothing(value);
  return option.presence.is === "default" && option.presence.value === value;
}
