/** Errors of the command line itself. Exit statuses: 2 wrong use, 3 and 4 connection, 5 unknown thing, 6 wrong state, 11 not built. */
import { defineErrors } from "../common/index.ts";

export const cliErrors = defineErrors({
  usage: {
    code: "COMMAND_LINE_INVALID",
    exit: 2,
    retryable: false,
    hint: "See `moneta-cli --help`, or `moneta-cli <command> --help` for the arguments of one command.",
  },
  rootRefused: {
    code: "CLI_ROOT_REFUSED",
    exit: 2,
    retryable: false,
    hint: "Run moneta-cli as the user of the daemon, for example with `sudo -u pgmoneta moneta-cli …`.",
  },
  passwordMissing: {
    code: "REMOTE_PASSWORD_MISSING",
    exit: 2,
    retryable: false,
    hint: "Give the password by the environment variable PGMONETA_PASSWORD, by a line host:port:admin:user:password in ~/.pgpass or the file of --password-file (mode 0600), or at a terminal.",
  },
  noInput: {
    code: "CLI_NO_INPUT",
    exit: 2,
    retryable: false,
    hint: "Give the name with --user and the password by PGMONETA_PASSWORD or --password-file, or answer at a terminal.",
  },
  cancelRefused: {
    code: "CLI_CANCEL_REFUSED",
    exit: 1,
    retryable: true,
    hint: "The job goes on. `moneta-cli progress <server>` shows its number, `moneta-cli cancel <server> <number>` ends it.",
  },
  questionInterrupted: {
    code: "CLI_INTERRUPTED",
    exit: 130,
    retryable: false,
    hint: "Nothing was asked of the daemon.",
  },
  socketUnknown: {
    code: "MANAGEMENT_SOCKET_UNKNOWN",
    exit: 2,
    retryable: false,
    hint: "Name the file with -c, or the directory of the configuration with -D or PGMONETA_CONFIG_DIR; unix_socket_dir must be in pgmoneta_cli.conf or pgmoneta.conf.",
  },
  offlineOnly: {
    code: "OFFLINE_NOT_POSSIBLE",
    exit: 2,
    retryable: false,
    hint: "Without a daemon these work: list-backup, info, restore, archive, verify, retention --dry-run, diagnose, and compress, decompress, encrypt and decrypt.",
  },
  partRefused: {
    code: "DIAGNOSE_PART_REFUSED",
    exit: 1,
    retryable: false,
    hint: "The daemon refused one part of the bundle; the message is its own.",
  },
  planRefused: {
    code: "OFFLINE_RESTORE_REFUSED",
    exit: 1,
    retryable: false,
    hint: "This is what speaks against the restore; nothing was written.",
  },
  pushOtherAccount: {
    code: "PUSH_OTHER_ACCOUNT",
    exit: 2,
    retryable: false,
    hint: "Push as the account of the daemon and let the shell read the file: archive_command = 'sudo -n -u <account> moneta-cli wal-push --stdin <server> %f < %p', or the same through ssh.",
  },
  pushUnreadable: {
    code: "PUSH_FILE_UNREADABLE",
    exit: 2,
    retryable: true,
    hint: "archive_command names the file with %p, which PostgreSQL makes relative to its data directory; with --stdin the shell reads it, as in `… wal-push --stdin <server> %f < %p`.",
  },
  planMissing: {
    code: "RECOVERY_PLAN_NOT_NAMED",
    exit: 126,
    retryable: false,
    hint: "restore_command names the plan of recovery with --plan: use the one that the restore wrote into postgresql.auto.conf.",
  },
});
