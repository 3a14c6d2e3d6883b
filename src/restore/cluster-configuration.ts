/**
 * The configuration files of the restored cluster. Recovery settings go into postgresql.auto.conf, which is read last,
 * in a marked block. postgresql.conf loses what leads out of the data directory, or gets a small one where the source
 * kept its own elsewhere, as Debian does.
 */
import { isAbsolute } from "node:path";
import {
  commentOutSettings,
  parseSettingsFile,
  postgresErrors,
  putSettingsBlock,
  readSettings,
  removeSettings,
  type ControlFile,
} from "../postgres/index.ts";
import { restoreErrors } from "./errors.ts";
import type { InspectedBackup } from "./inspect-backup.ts";
import { earlierRecovery, type Settings } from "./recovery-settings.ts";

export interface ClusterConfiguration {
  readonly postgresqlConf: string;
  readonly autoConf: string;
  /** Undefined when the backup has one. */
  readonly hba: string | undefined;
  /** What was changed that the operator may miss. */
  readonly notes: readonly string[];
}

const blockName = "moneta restore";
const note = "taken out by moneta restore";
/** They lead to files of the source, or name its place. */
const placeSettings = ["data_directory", "hba_file", "ident_file", "external_pid_file", "config_file"];
/** A password can stand in it, so not even a comment of it is kept. */
const secretSettings = ["primary_conninfo"];

/** Pure: the texts to write. Throws RESTORE_SETTINGS_REFUSED when a file is not one that PostgreSQL would read. */
export function clusterConfiguration(backup: InspectedBackup, settings: Settings, comments: readonly string[]): ClusterConfiguration {
  const notes: string[] = [];
  const conf = backup.postgresqlConf === undefined ? minimalConf(notes) : cleanConf(backup.postgresqlConf, "postgresql.conf", notes);
  const auto = cleanAuto(backup.autoConf ?? "", notes);
  const least = leastSettings(conf, auto, backup.control, notes);
  const autoConf = putSettingsBlock(auto, { name: blockName, comments, settings: [...settings, ...least] });
  const hba = backup.hasHba ? undefined : minimalHba(notes);
  return { postgresqlConf: conf, autoConf, hba, notes };
}

function minimalConf(notes: string[]): string {
  notes.push("the source kept postgresql.conf outside its data directory: a minimal one is written; copy what you need from the source");
  return [
    "# Written by moneta restore: the source kept its postgresql.conf outside of the data directory, so that it is not",
    "# part of the backup. Everything else has PostgreSQL's defaults.",
    "listen_addresses = 'localhost'",
    "",
  ].join("\n");
}

function minimalHba(notes: string[]): string {
  notes.push("the source kept pg_hba.conf outside its data directory: one for local access is written");
  return [
    "# Written by moneta restore: the source kept its pg_hba.conf outside of the data directory.",
    "local all all peer",
    "host all all 127.0.0.1/32 scram-sha-256",
    "host all all ::1/128 scram-sha-256",
    "",
  ].join("\n");
}

/** The text of `file` without what leads out of the data directory, and without secrets. */
export function cleanConf(text: string, file: string, notes: string[]): string {
  const secretless = removeSettings(text, secretSettings);
  const edited = commentOutSettings(secretless.text, placeSettings, note);
  const taken = [...secretless.removed, ...edited.removed].map(({ name }) => name);
  if (taken.length > 0) notes.push(`taken out of ${file}: ${[...new Set(taken)].join(", ")}`);
  const lines = parseSettingsFile(edited.text).map((line) => {
    const leaves = line.kind === "include" || line.kind === "include_if_exists" || line.kind === "include_dir";
    if (!leaves || staysInside(line.value)) return line.raw;
    notes.push(`taken out of ${file}: ${line.kind} '${line.value}', which lies outside of the data directory`);
    return `# ${note}: ${line.raw.trimStart()}`;
  });
  return lines.join("");
}

/** True for the path of an include that cannot lead out of the directory of its file. */
export function staysInside(path: string): boolean {
  return !isAbsolute(path) && !path.split("/").includes("..");
}

function cleanAuto(text: string, notes: string[]): string {
  try {
    const { text: cleaned, removed } = removeSettings(text, [...earlierRecovery, ...placeSettings]);
    if (removed.length > 0) notes.push(`taken out of postgresql.auto.conf: ${[...new Set(removed.map(({ name }) => name))].join(", ")}`);
    return cleaned;
  } catch (error) {
    if (postgresErrors.settingsInvalid.is(error)) throw restoreErrors.settings(`postgresql.auto.conf: ${error.message}`, {}, error);
    throw error;
  }
}

/**
 * Recovery refuses to begin, or stops, when one of these is lower than it was on the source. The values in the files
 * can be: the source may have had them from its command line, or from a file that was taken out.
 */
function leastSettings(conf: string, auto: string, control: ControlFile, notes: string[]): Settings {
  const found = new Map([...safeSettings(conf, "postgresql.conf"), ...safeSettings(auto, "postgresql.auto.conf")]);
  const wanted: readonly (readonly [name: string, least: number, standard: number])[] = [
    ["max_connections", control.maxConnections, 100],
    ["max_worker_processes", control.maxWorkerProcesses, 8],
    ["max_wal_senders", control.maxWalSenders, 10],
    ["max_prepared_transactions", control.maxPreparedTransactions, 0],
    ["max_locks_per_transaction", control.maxLocksPerTransaction, 64],
  ];
  const raised = wanted.filter(([name, least, standard]) => {
    const value = found.get(name);
    return !((value === undefined ? standard : Number(value)) >= least);
  });
  if (raised.length > 0) notes.push(`set as on the source, because recovery refuses less: ${raised.map(([name, least]) => `${name} = ${least}`).join(", ")}`);
  return raised.map(([name, least]) => [name, String(least)] as const);
}

function safeSettings(text: string, file: string): Map<string, string> {
  try {
    return readSettings(text, file);
  } catch (error) {
    throw restoreErrors.settings(`the backup has a ${file} that PostgreSQL would not read`, { file }, error);
  }
}
