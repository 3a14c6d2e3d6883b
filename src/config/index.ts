export * from "./configuration.ts";
export { describeConfiguration, secretsOf, type DescribedConfiguration, type DescribedSection, type DescribedValue } from "./describe.ts";
export { applicable, type ApplicableConfiguration, type ConfigurationDifference, type KeyChange } from "./difference.ts";
export { notSet, removeValue, setValue, valueIn, type ValuePlace } from "./edit-document.ts";
export { checkEdited } from "./edit-check.ts";
export { configErrors } from "./errors.ts";
export { parseIni, type IniDocument, type IniEntry, type IniOptions, type IniSection } from "./ini-document.ts";
export { parseConfigurationKey, type ConfigurationKey } from "./key-name.ts";
export { loadCliConfiguration, type LoadedClientConfiguration } from "./load-client.ts";
export { loadConfiguration, readConfigurationFile, type ConfigurationSource, type LoadedConfiguration, type LoadOptions } from "./load.ts";
export { locateFiles, type FileLocations } from "./locate-files.ts";
export type { AnyOption, OptionStatus, OptionTable, ReloadClass } from "./option.ts";
export {
  clientTable,
  mainGroups,
  mainTable,
  serverTable,
  type ClientOptions,
  type MainOptions,
  type OptionGroup,
  type ServerOptions,
} from "./option-table.ts";
export { formatProblem } from "./problem.ts";
export { createConfigurationFile, editConfigurationFile } from "./save-file.ts";
export { secretFilesOf } from "./secret-files.ts";
export { shownText } from "./shown-value.ts";
export { socketDirectoryIn } from "./socket-directory.ts";
export type * from "./value-types.ts";
