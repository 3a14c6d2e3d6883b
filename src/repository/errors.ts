/** What a repository can be missing, damaged in, or refuse. */
import { defineErrors } from "../common/index.ts";

export const repositoryErrors = defineErrors({
  nameRefused: {
    code: "REPOSITORY_NAME_REFUSED",
    exit: 2,
    retryable: false,
    hint: "Names of servers, labels and tablespaces become names of directories; use one without a slash that does not begin with a dot.",
  },
  backupNotFound: {
    code: "BACKUP_NOT_FOUND",
    exit: 40,
    retryable: false,
    hint: "`moneta-cli list-backup <server>` shows the backups that there are.",
  },
  backupDamaged: {
    code: "BACKUP_DAMAGED",
    exit: 41,
    retryable: false,
    hint: "This backup cannot be trusted any more: use another one, take a new one, and look at the disk.",
  },
  backupInvalid: {
    code: "BACKUP_INVALID",
    exit: 42,
    retryable: false,
    hint: "This backup was never completed or was found faulty; use another one.",
  },
  formatUnsupported: {
    code: "REPOSITORY_FORMAT_UNSUPPORTED",
    exit: 43,
    retryable: false,
    hint: "The file was written by a newer version of Moneta; use that version or a later one.",
  },
  labelsExhausted: {
    code: "BACKUP_LABELS_EXHAUSTED",
    exit: 44,
    retryable: false,
    hint: "A directory below backup/ has a label of the year 9999, so no later label exists; look at it and rename or remove it.",
  },
  backupNeeded: {
    code: "BACKUP_NEEDED",
    exit: 45,
    retryable: false,
    hint: "Other backups need the files of this one; delete those first.",
  },
  walDamaged: {
    code: "RESTORE_WAL_DAMAGED",
    exit: 126,
    retryable: false,
    hint: "Recovery cannot go past damaged WAL: put a good copy into the repository, or restore to a target before it.",
  },
  walIndexDamaged: {
    code: "WAL_INDEX_DAMAGED",
    exit: 126,
    retryable: false,
    hint: "A line of the index of archived WAL was changed; the segment itself may be whole: verify it, and look at the disk.",
  },
  walGapsDamaged: {
    code: "WAL_GAPS_DAMAGED",
    exit: 126,
    retryable: false,
    hint: "The list of missing WAL cannot be read; move it away and look at the log for the gaps that were reported.",
  },
  historyUnreadable: {
    code: "TIMELINE_HISTORY_UNREADABLE",
    exit: 126,
    retryable: false,
    hint: "Remove the named history file; the receiver fetches it again from the server.",
  },
  identityDamaged: {
    code: "SERVER_IDENTITY_DAMAGED",
    exit: 49,
    retryable: false,
    hint: "Put the named file back from a copy; it says which PostgreSQL cluster the WAL beside it belongs to.",
  },
  lineageUnfinished: {
    code: "LINEAGE_CHANGE_UNFINISHED",
    exit: 49,
    retryable: true,
    hint: "The daemon finishes the change when it starts and at each attempt to reach the server: start it, or see with moneta-cli status details and in the log what holds it up. Until then no WAL of this server is read or received.",
  },
  masterKeyMissing: {
    code: "REPOSITORY_MASTER_KEY_MISSING",
    exit: 46,
    retryable: false,
    hint: "Create the master key with `moneta-admin master-key`, or put the one that this repository was written with back in its place.",
  },
  masterKeyWrong: {
    code: "REPOSITORY_MASTER_KEY_WRONG",
    exit: 47,
    retryable: false,
    hint: "The data key was wrapped with another master key, or its file is damaged: put the right master key back in its place.",
  },
  dataKeyMissing: {
    code: "DATA_KEY_MISSING",
    exit: 48,
    retryable: false,
    hint: "Put the named file back from a copy of the repository: what was encrypted with this key cannot be read without it.",
  },
  gone: {
    code: "REPOSITORY_GONE",
    exit: 14,
    retryable: true,
    hint: "Is the file system of base_dir mounted? When it is back everything goes on by itself, a daemon that did not start is started again. If the repository was replaced or removed on purpose, remove the file repository-….json beside the master key, which remembers it, and start the daemon again.",
  },
  ownerLockHeld: {
    code: "OWNER_LOCK_HELD",
    exit: 12,
    retryable: true,
    hint: "One daemon owns a base_dir: stop the other one, or give this one another base_dir.",
  },
  ownerLockFailed: {
    code: "OWNER_LOCK_FAILED",
    exit: 13,
    retryable: false,
    hint: "The lock of base_dir could not be taken; install util-linux (flock) and use a file system that supports locks.",
  },
});
