/**
 * Every management command as data: what pgmoneta 0.22 knows (numbers, arguments and request fields are its own)
 * and what is ours, from number 1000 up. Command line, help, daemon and documents read this one table.
 */
import type { CommandSpec } from "./command-spec.ts";
import { backupCommands } from "./commands-backups.ts";
import { configurationCommands } from "./commands-configuration.ts";
import { daemonCommands } from "./commands-daemon.ts";
import { fileCommands } from "./commands-files.ts";
import { laterCommands } from "./commands-later.ts";
import { serverCommands } from "./commands-servers.ts";

const commands = { ...backupCommands, ...serverCommands, ...fileCommands, ...daemonCommands, ...configurationCommands, ...laterCommands };

export type CommandName = keyof typeof commands;

/** The table, in the order in which help lists it. */
export const commandTable: Readonly<Record<CommandName, CommandSpec>> = commands;

export const commandNames = Object.keys(commands) as readonly CommandName[];

const byNumber = new Map<number, CommandName>(commandNames.map((name) => [commands[name].number, name]));

/** The command with this number, `undefined` when nobody knows it. */
export function commandByNumber(number: number): CommandName | undefined {
  return byNumber.get(number);
}
