/**
 * What a drilled server is told on its command line, which wins over every file of the cluster. It listens to nobody
 * but us, keeps within its directory, and touches nothing of the world of its source: no archive, no standby, no
 * publisher, no background worker that somebody installed there.
 */
import { drillPort, type Scratch } from "./scratch.ts";

export type CommandLine = readonly (readonly [name: string, value: string])[];

/** @param major of PostgreSQL, for settings that some versions do not know */
export function drillSettings(
  major: number,
  { hba, socket }: Pick<Scratch, "hba" | "socket">,
  preloadLibraries: string,
): CommandLine {
  return [
    ["listen_addresses", ""],
    ["port", String(drillPort)],
    ["unix_socket_directories", quotedElement(socket)],
    ["unix_socket_permissions", "0700"],
    ["unix_socket_group", ""],
    ["hba_file", hba],
    ["ssl", "off"],
    ["external_pid_file", ""],
    ["archive_mode", "off"],
    ["archive_command", ""],
    ["archive_cleanup_command", ""],
    ["primary_conninfo", ""],
    ["primary_slot_name", ""],
    ["synchronous_standby_names", ""],
    ["max_logical_replication_workers", "0"],
    ...(major >= 15 ? [["archive_library", ""] as const] : []),
    ...(major >= 17 ? [["sync_replication_slots", "off"] as const, ["event_triggers", "off"] as const] : []),
    // They may start workers that act on others (pg_cron), and need not be installed here.
    ["shared_preload_libraries", preloadLibraries],
    ["session_preload_libraries", ""],
    ["local_preload_libraries", ""],
    // This machine is not the source.
    ["shared_buffers", "128MB"],
    ["huge_pages", "off"],
    ["dynamic_shared_memory_type", "mmap"],
    ...(major <= 14 ? [["stats_temp_directory", "pg_stat_tmp"] as const] : []),
    ["logging_collector", "off"],
    ["log_destination", "stderr"],
    // What it says is read, for what it ended for.
    ["lc_messages", "C"],
    // Nobody asks it before recovery has ended; and its state says so, which it does not with hot_standby.
    ["hot_standby", "off"],
    ["restart_after_crash", "off"],
    ["autovacuum", "off"],
    ["statement_timeout", "0"],
    ["lock_timeout", "0"],
    ["idle_in_transaction_session_timeout", "0"],
  ];
}

/** An element of a list of directories, as PostgreSQL reads it (SplitDirectoriesString). */
const quotedElement = (directory: string): string => `"${directory.replaceAll('"', '""')}"`;

/** Everybody who reaches the socket may come in: its directory is closed to all but this account. */
export const drillHba = "local all all trust\n";

/** What a role or a database has set for itself must not end a check: `PGOPTIONS` of the clients. */
export const clientOptions = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";
