/** Why a restore is refused, or why recovery must not go on. From 126 on PostgreSQL stops recovery at once. */
import { defineErrors } from "../common/index.ts";

export const restoreErrors = defineErrors({
  position: {
    code: "RESTORE_POSITION_INVALID",
    exit: 2,
    retryable: false,
    hint: "A position is a list of tokens separated by commas, for example: time=2026-11-20 09:00:00+01,action=promote; put values with a comma in quotes.",
  },
  foreign: {
    code: "RESTORE_BACKUP_FOREIGN",
    exit: 90,
    retryable: false,
    hint: "A later version of Moneta took this backup: use that version, or choose another backup.",
  },
  unreachable: {
    code: "RESTORE_TARGET_UNREACHABLE",
    exit: 91,
    retryable: false,
    hint: "Choose a target within the range that the message names, or another backup or timeline.",
  },
  directoryRefused: {
    code: "RESTORE_DIRECTORY_REFUSED",
    exit: 92,
    retryable: false,
    hint: "A restore writes only into directories that are absent or empty: look at what is there, then move it away or choose another directory.",
  },
  tablespaceMap: {
    code: "RESTORE_TABLESPACE_MAP",
    exit: 92,
    retryable: false,
    hint: "A tablespace is mapped by its name or OID, as `info` and the plan of --dry-run list them, to a directory that is absent or empty and lies in no other.",
  },
  noSpace: {
    code: "RESTORE_NO_SPACE",
    exit: 30,
    retryable: true,
    hint: "Free space where the cluster shall lie, or restore to another file system.",
  },
  replicaUnknown: {
    code: "RESTORE_REPLICA_UNKNOWN",
    exit: 93,
    retryable: false,
    hint: "A replica needs to know how to reach its primary: host, port and user of the server in the configuration.",
  },
  settings: {
    code: "RESTORE_SETTINGS_REFUSED",
    exit: 94,
    retryable: false,
    hint: "The configuration in the backup cannot be made safe for a restored server; the message names the file and the line.",
  },
  mismatch: {
    code: "RESTORE_MISMATCH",
    exit: 95,
    retryable: false,
    hint: "The parts of this backup contradict one another: use another backup, and look at the disk of the repository.",
  },
  walMissing: {
    code: "RESTORE_WAL_MISSING",
    exit: 126,
    retryable: false,
    hint: "Without this segment recovery would end too early and lose rows: put it back into the repository, or restore to a target before it.",
  },
  endedEarly: {
    code: "RECOVERY_ENDED_EARLY",
    exit: 126,
    retryable: false,
    hint: "PostgreSQL found WAL that it could not read and would have opened there, with everything after it lost. Restore to an lsn before the place that its log names, or put a good copy of the segment into the repository.",
  },
  historyWrong: {
    code: "RESTORE_HISTORY_WRONG",
    exit: 126,
    retryable: false,
    hint: "The history file is not what the server wrote: put its own, which lies in the server's pg_wal, into its place.",
  },
  planDamaged: {
    code: "RECOVERY_PLAN_DAMAGED",
    exit: 126,
    retryable: false,
    hint: "The file says what this restored server may read from the repository; restore the backup again.",
  },
  standbyRefused: {
    code: "HOT_STANDBY_REFUSED",
    exit: 99,
    retryable: false,
    hint: "A hot standby is made in a directory that is absent or empty, and brought up to date where moneta_standby.json calls it a copy of this server: look at what is there, then move it away.",
  },
  standbyInUse: {
    code: "HOT_STANDBY_IN_USE",
    exit: 99,
    retryable: true,
    hint: "Nothing in the directory was changed. Stop the server in order and the copy is brought up to date by itself, or remove a postmaster.pid that is left over; to keep what that server holds, take the directory out of hot_standby or remove moneta_standby.json from it.",
  },
  standbyOverrides: {
    code: "HOT_STANDBY_OVERRIDES",
    exit: 99,
    retryable: false,
    hint: "hot_standby_overrides names directories with files for the data directory of a copy: the message says what cannot be used.",
  },
  failed: {
    code: "RESTORE_WRITE_FAILED",
    exit: 96,
    retryable: true,
    hint: "The system refused to write where the cluster shall lie: look at permissions, the disk and the kernel log.",
  },
});
