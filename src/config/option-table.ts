/**
 * Every key of every configuration file, with its type, range, default, reload class and status, and the
 * types of the compiled values that follow from it.
 */
import type { OptionTable, ValuesOf } from "./option.ts";
import { backupOptions } from "./options-backup.ts";
import { checkOptions } from "./options-check.ts";
import { clientOptions } from "./options-client.ts";
import { azureOptions, s3Options, sshOptions } from "./options-engines.ts";
import { daemonLoggingOptions } from "./options-logging.ts";
import { hookOptions } from "./options-hooks.ts";
import { networkOptions } from "./options-network.ts";
import { notifyOptions } from "./options-notify.ts";
import { scheduleOptions } from "./options-schedule.ts";
import { serverOptions } from "./options-server.ts";

/** Keys of one subject, as the sample file and the manual show them together. */
export interface OptionGroup {
  readonly title: string;
  readonly options: OptionTable;
}

export const mainTable = {
  ...networkOptions,
  ...backupOptions,
  ...scheduleOptions,
  ...checkOptions,
  ...notifyOptions,
  ...hookOptions,
  ...daemonLoggingOptions,
  ...sshOptions,
  ...s3Options,
  ...azureOptions,
} satisfies OptionTable;
export const serverTable = serverOptions;
export const clientTable = clientOptions;

export const mainGroups: readonly OptionGroup[] = [
  { title: "Network and process", options: networkOptions },
  { title: "Backups", options: backupOptions },
  { title: "Schedules and drills", options: scheduleOptions },
  { title: "Checks", options: checkOptions },
  { title: "Notifications", options: notifyOptions },
  { title: "Hooks", options: hookOptions },
  { title: "Logging", options: daemonLoggingOptions },
  { title: "Storage engine ssh", options: sshOptions },
  { title: "Storage engine s3", options: s3Options },
  { title: "Storage engine azure", options: azureOptions },
];

/** The section `[pgmoneta]`. Durations are seconds, sizes bytes, paths absolute. */
export type MainOptions = ValuesOf<typeof mainTable>;

/** The section of one PostgreSQL server, completed from the main section. Durations are seconds, sizes bytes. */
export type ServerOptions = { readonly name: string } & ValuesOf<typeof serverTable>;

/** The configuration file of moneta-cli. */
export type ClientOptions = ValuesOf<typeof clientTable>;
