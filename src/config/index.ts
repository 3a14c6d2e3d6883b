export * from "./configuration.ts";
export { configErrors } from "./errors.ts";
export { parseIni, type IniDocument, type IniEntry, type IniOptions, type IniSection } from "./ini-document.ts";
export { loadCliConfiguration, type LoadedClientConfiguration } from "./load-client.ts";
export { loadConfiguration, type LoadedConfiguration, type LoadOptions } from "./load.ts";
export type { FileLocations } from "./locate-files.ts";
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
export type * from "./value-types.ts";
