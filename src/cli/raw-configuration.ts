/** A configuration that could not be understood, as it may be shown all the same: keys and values without comments and secrets. */
import { mainTable, parseIni, readConfigurationFile, serverTable, shownText, type OptionTable } from "../config/index.ts";
import { redacted } from "../log/index.ts";

export interface RawConfiguration {
  readonly text: string;
  /** Values that are not shown. */
  readonly hidden: readonly string[];
}

/** Reads the main file. A key that nobody knows may be a secret with a slip in its name, so its value is hidden. Throws CONFIGURATION_UNREADABLE. */
export function readRawConfiguration(file: string): RawConfiguration {
  const hidden: string[] = [];
  const lines = parseIni(file, readConfigurationFile(file), { sectionsMatter: true }).sections.flatMap(({ entries, name }) => {
    const table: OptionTable = name === "pgmoneta" ? mainTable : serverTable;
    const shown = entries.map(({ key, value }) => {
      const text = Object.hasOwn(table, key) ? shownText(name, key, value) : redacted;
      if (text !== value) hidden.push(value);
      return `${key} = ${text}`;
    });
    return [`[${name}]`, ...shown, ""];
  });
  return { text: lines.join("\n"), hidden };
}
