/** Values of keys as they may be shown: as the file would have them, and without secrets. */
import type { CompiledSection } from "./compile-section.ts";
import type { AnyOption, OptionTable } from "./option.ts";
import { mainTable, serverTable } from "./option-table.ts";
import { namesSource } from "./secret-source.ts";

/** Stands where a secret is. */
export const hiddenValue = "***";

/** The text of a value that stands in a file, as it may be shown. */
export function shownText(section: string, key: string, text: string): string {
  const table: OptionTable = section === "pgmoneta" ? mainTable : serverTable;
  const secret = Object.hasOwn(table, key) && table[key]?.secret === true;
  return secret && !namesSource(text) ? hiddenValue : text;
}

/** The text of the value of `key`; null where there is none. Of a secret only where it comes from. */
export function shownValue(
  option: AnyOption,
  { entries, values }: Pick<CompiledSection, "values" | "entries">,
  key: string,
): string | null {
  const value = values.get(key);
  if (option.secret === true) {
    const text = entries.get(key)?.value;
    if (text !== undefined && namesSource(text)) return text;
    return value === undefined ? null : hiddenValue;
  }
  return value === undefined ? null : option.kind.format(value);
}
