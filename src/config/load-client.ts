/** Reading the configuration file of moneta-cli. */
import { compileSection } from "./compile-section.ts";
import type { ConfigProblem } from "./configuration.ts";
import { deepFreeze } from "./freeze.ts";
import { parseIni, type IniSection } from "./ini-document.ts";
import { compileContext, readConfigurationFile } from "./load.ts";
import { locateClientFile, type FileLocations } from "./locate-files.ts";
import { propertyOf } from "./option.ts";
import { clientTable, type ClientOptions } from "./option-table.ts";
import { inFileOrder, invalid } from "./problem.ts";

export interface LoadedClientConfiguration {
  readonly options: ClientOptions;
  /** Properties that the file sets; the others have their defaults. */
  readonly set: ReadonlySet<keyof ClientOptions>;
  /** Undefined when no file was named and none is at the default place; then all options have their defaults. */
  readonly file: string | undefined;
  readonly warnings: readonly ConfigProblem[];
}

/**
 * Reads the file of `-c`, else pgmoneta_cli.conf in the directory of `-D` or `PGMONETA_CONFIG_DIR`, else in
 * /etc/pgmoneta. Unlike pgmoneta it keeps every key that the manual has: `output` (also `Output`) and all log keys.
 *
 * @throws MonetaError `CONFIGURATION_NOT_FOUND` for a file that is named and missing, else as `loadConfiguration`
 */
export function loadCliConfiguration(
  locations: Pick<FileLocations, "main" | "directory" | "environment" | "defaultDirectory">,
): LoadedClientConfiguration {
  const file = locateClientFile(locations);
  const document =
    file === undefined ? undefined : parseIni(file, readConfigurationFile(file), { sectionsMatter: false });
  // The names of sections do not matter: all their keys are one set.
  const entries = document?.sections.flatMap((section) => section.entries) ?? [];
  const section: IniSection = { name: "", line: 1, entries };
  const compiled = compileSection(section, clientTable, compileContext(file ?? "", locations.environment, false));
  const problems = [...(document?.problems ?? []), ...compiled.problems];
  if (problems.length > 0) throw invalid(problems);
  const values = Object.fromEntries([...compiled.values].map(([key, value]) => [propertyOf(key), value]));
  return {
    options: deepFreeze(values as ClientOptions),
    set: new Set([...compiled.entries.keys()].map((key) => propertyOf(key) as keyof ClientOptions)),
    file,
    warnings: inFileOrder(compiled.warnings),
  };
}
