/** Names in the directory that a recovery uses below the data directory. PostgreSQL never asks for one of them. */

/** The directory; `recovery_end_command` removes it. */
export const prefetchDirectory = "moneta_wal";
/** What it is called while it is removed: whoever still works in it by its name then finds nothing, and adds nothing. */
export const spentDirectory = `${prefetchDirectory}.old`;
/** The last segment that was not ready. */
export const askedName = "asked";
/** A segment that a call waits for until the process that keeps segments ready has it. */
export const awaitedName = "awaited";
/** Touched by the process that keeps segments ready, as long as it works. */
export const beatName = "beat";
/** The segment that holds the end of the WAL was asked for. */
export const endName = "end";
