/** Errors of the supervisor. */
import { defineErrors } from "../common/index.ts";

export const supervisorErrors = defineErrors({
  root: {
    code: "ROOT_REFUSED",
    exit: 1,
    retryable: false,
    hint: "Start moneta as the unprivileged user that owns the repository.",
  },
  options: {
    code: "OPTIONS_INVALID",
    exit: 2,
    retryable: false,
    hint: "Run moneta --help to see the options.",
  },
  pidFile: {
    code: "PID_FILE",
    exit: 1,
    retryable: false,
    hint: "Make the directory of the PID file writable for the user of the daemon, or set pidfile.",
  },
  daemonise: {
    code: "DAEMON_START",
    exit: 1,
    retryable: false,
    hint: "The log of the daemon says more; start it without -d to see everything on the terminal.",
  },
  childLost: {
    code: "CHILD_LOST",
    exit: 1,
    retryable: true,
    hint: "A process of Moneta ended by itself or was killed (out of memory?); the log has its last words.",
  },
  childInvalid: {
    code: "CHILD_INVALID",
    exit: 1,
    retryable: false,
    hint: "A process of Moneta sent what is no message: make sure that all its files are of one and the same build.",
  },
  jobDied: {
    code: "JOB_DIED",
    exit: 1,
    retryable: true,
    hint: "Nothing of the job counts as done. Its remains are removed, those of a restore by the next one into the same directory. Start it again, and look into the log for the reason.",
  },
  jobCancelled: {
    code: "JOB_CANCELLED",
    exit: 20,
    retryable: true,
    hint: "Nothing of the job counts as done. Start it again when you want it.",
  },
  jobNotBegun: {
    code: "JOB_NOT_BEGUN",
    exit: 20,
    retryable: true,
    hint: "It waited for other jobs and was taken out of the line before its turn: nothing was read or changed. Start it again when you want it.",
  },
  jobHangs: {
    code: "JOB_HANGS",
    exit: 6,
    retryable: true,
    hint: "Not even SIGKILL reaches a process that waits in the kernel for storage which does not answer: see that the storage answers again, or is unmounted by force; the job ends by itself then. Other servers go on.",
  },
  stopping: {
    code: "DAEMON_STOPPING",
    exit: 12,
    retryable: true,
    hint: "The daemon is shutting down; try again when it runs again.",
  },
  notStreaming: {
    code: "WAL_NOT_RECEIVED",
    exit: 6,
    retryable: true,
    hint: "A backup is worth nothing without its WAL. See with moneta-cli status details what holds the receiver up.",
  },
  answerLost: {
    code: "JOB_RESULT_MISSING",
    exit: 1,
    retryable: false,
    hint: "The job said that it succeeded, but what it made cannot be found: look into the repository and the log.",
  },
  jobsExhausted: {
    code: "JOBS_EXHAUSTED",
    exit: 6,
    retryable: true,
    hint: "Wait for some of the jobs to end, or cancel them; moneta-cli status details shows them.",
  },
  modeFile: {
    code: "MODE_FILE",
    exit: 1,
    retryable: false,
    hint: "Look at the file; remove it to have the server online.",
  },
  /** Not thrown: a problem that status names as long as it lasts. */
  walGap: {
    code: "WAL_GAP",
    exit: 1,
    retryable: false,
    hint: "Points in time behind a gap can only be reached from a backup that was taken after it: take a backup.",
  },
  /** Not thrown: a problem that status names as long as it lasts. */
  takenOver: {
    code: "WAL_TAKEN_OVER",
    exit: 1,
    retryable: false,
    hint: "The followed server does not stream, or has not yet all that was received meanwhile. Bring it back as a replica of this one; then the stream is handed back by itself. If this one is the primary for good, take a full backup of it, and turn follow around in pgmoneta.conf.",
  },
  following: {
    code: "SERVER_FOLLOWS",
    exit: 6,
    retryable: true,
    hint: "Nothing of a server that follows another one is received as long as that one streams: take the backup of that one.",
  },
  /** Not thrown: a problem that status names as long as it lasts. */
  lineageWithoutBackup: {
    code: "LINEAGE_WITHOUT_BACKUP",
    exit: 1,
    retryable: false,
    hint: "Take a full backup: moneta-cli backup <server>.",
  },
  /** Not thrown: a problem that status names as long as it lasts. */
  backupOverdue: {
    code: "BACKUP_OVERDUE",
    exit: 1,
    retryable: false,
    hint: "Take a backup (moneta-cli backup <server>), and see with moneta-cli schedule what keeps those that should be taken by themselves from it.",
  },
  /** Not thrown: a problem that status names as long as it lasts. */
  scheduledRunFailed: {
    code: "SCHEDULED_RUN_FAILED",
    exit: 1,
    retryable: false,
    hint: "Solve what the message names, then start it by hand; the next one starts at its time (moneta-cli schedule).",
  },
  /** Not thrown: a problem that status names as long as it lasts. */
  spaceForecast: {
    code: "SPACE_FORECAST",
    exit: 1,
    retryable: false,
    hint: "Make room before it is full: delete backups that are not needed, or enlarge the file system. When it is full nothing more is received, and the slot makes the server keep its WAL.",
  },
  /** Not thrown: a problem that status names as long as it lasts. */
  storageSilent: {
    code: "STORAGE_SILENT",
    exit: 1,
    retryable: false,
    hint: "The system has not answered a question about this file system: a network mount without its server, or a disk that hangs. Everything that reads or writes there waits; other servers go on.",
  },
  hotStandbyNotBegun: {
    code: "HOT_STANDBY_NOT_BEGUN",
    exit: 20,
    retryable: true,
    hint: "The copies of hot_standby stay as they are; they are brought up to date after the next backup or at the next start of the daemon.",
  },
  secondCopyStuck: {
    code: "WAL_SECOND_COPY_STUCK",
    exit: 79,
    retryable: true,
    hint: "The directory of wal_shipping does not answer: look at its disk or its network. Receiving and archiving go on; the copy gets by itself what it misses once it is back.",
  },
  nagiosPort: {
    code: "NAGIOS_PORT",
    exit: 12,
    retryable: false,
    hint: "Another program listens there, or the address is none of this machine: choose another port with `nagios`, or set `host`.",
  },
  nothingEncrypted: {
    code: "NOTHING_ENCRYPTED",
    exit: 6,
    retryable: false,
    hint: "Set `encryption` in pgmoneta.conf, for all servers or for this one, and start the daemon again.",
  },
  serversExhausted: {
    code: "SERVERS_EXHAUSTED",
    exit: 6,
    retryable: false,
    hint: "Nothing was changed. Start the daemon again: it makes room for the servers of its configuration and 256 more.",
  },
  reloadIncomplete: {
    code: "RELOAD_INCOMPLETE",
    exit: 1,
    retryable: false,
    hint: "This is a defect: parts of the daemon work by the new configuration and parts by the old one. Start the daemon again, and report what the log says.",
  },
  starting: {
    code: "DAEMON_STARTING",
    exit: 6,
    retryable: true,
    hint: "Nothing was done. Ask again when `moneta-cli status` shows that it has started.",
  },
});
