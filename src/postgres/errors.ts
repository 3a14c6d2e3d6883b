import { defineErrors } from "../common/index.ts";

/** What can be wrong with a value, a name or a file of PostgreSQL. */
export const postgresErrors = defineErrors({
  lsnInvalid: {
    code: "LSN_INVALID",
    exit: 2,
    retryable: false,
    hint: "Write a WAL position the way PostgreSQL prints it, two hexadecimal numbers with a slash between them, for example 16/B374D848.",
  },
  timelineInvalid: {
    code: "TIMELINE_INVALID",
    exit: 2,
    retryable: false,
    hint: "A timeline is a whole number from 1 to 4294967295.",
  },
  segmentSizeInvalid: {
    code: "WAL_SEGMENT_SIZE_INVALID",
    exit: 2,
    retryable: false,
    hint: "The WAL segment size is a power of two from 1 MB to 1 GB; read it with SHOW wal_segment_size.",
  },
  segmentNameInvalid: {
    code: "WAL_SEGMENT_NAME_INVALID",
    exit: 2,
    retryable: false,
    hint: "The name of a WAL segment has 24 upper-case hexadecimal digits and must fit the segment size of its server.",
  },
  historyDamaged: {
    code: "TIMELINE_HISTORY_DAMAGED",
    exit: 126,
    retryable: false,
    hint: "Fetch the timeline history file again from the server, or from another copy of the archive.",
  },
  timelineNotInHistory: {
    code: "TIMELINE_NOT_IN_HISTORY",
    exit: 126,
    retryable: false,
    hint: "Name a timeline that descends from the backup, see the list of backups with their timelines.",
  },
  versionUnsupported: {
    code: "POSTGRES_VERSION_UNSUPPORTED",
    exit: 2,
    retryable: false,
    hint: "Moneta works with PostgreSQL 13 and later; upgrade the server or use an older backup program.",
  },
  controlFileDamaged: {
    code: "CONTROL_FILE_DAMAGED",
    exit: 1,
    retryable: false,
    hint: "The file global/pg_control cannot be trusted: use another backup, or check the server's storage.",
  },
  backupLabelDamaged: {
    code: "BACKUP_LABEL_DAMAGED",
    exit: 1,
    retryable: false,
    hint: "The backup_label of this backup cannot be trusted: use another backup and verify this one.",
  },
  tablespaceMapDamaged: {
    code: "TABLESPACE_MAP_DAMAGED",
    exit: 1,
    retryable: false,
    hint: "The tablespace_map of this backup cannot be trusted: use another backup and verify this one.",
  },
  manifestDamaged: {
    code: "BACKUP_MANIFEST_DAMAGED",
    exit: 1,
    retryable: false,
    hint: "The backup_manifest cannot be trusted: take a new backup, or verify this one against another copy.",
  },
  incrementalFileDamaged: {
    code: "INCREMENTAL_FILE_DAMAGED",
    exit: 1,
    retryable: false,
    hint: "A file of this incremental backup cannot be used: restore an earlier backup, and verify this one.",
  },
  filePathRefused: {
    code: "FILE_PATH_REFUSED",
    exit: 1,
    retryable: false,
    hint: "Files of a backup lie below its data directory; a path that leads elsewhere is never followed.",
  },
  blockSizeInvalid: {
    code: "BLOCK_SIZE_INVALID",
    exit: 1,
    retryable: false,
    hint: "Pages of data have a power of two from 1 kB to 32 kB; pg_control of the server says which.",
  },
  walPageDamaged: {
    code: "WAL_PAGE_DAMAGED",
    exit: 126,
    retryable: false,
    hint: "The WAL file is damaged or is not WAL of this server: fetch it again from the server or from another copy.",
  },
  settingsInvalid: {
    code: "POSTGRES_SETTINGS_INVALID",
    exit: 1,
    retryable: false,
    hint: "Correct the named line of the PostgreSQL configuration file; PostgreSQL itself would refuse it as well.",
  },
});
