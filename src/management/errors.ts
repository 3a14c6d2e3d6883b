/** Errors between operator and supervisor: what a request can be refused for, and what can go wrong on the way. */
import { defineErrors } from "../common/index.ts";

export const managementErrors = defineErrors({
  documentInvalid: {
    code: "MANAGEMENT_DOCUMENT_INVALID",
    exit: 4,
    retryable: false,
    hint: "The two sides do not speak the same protocol, or something between them changed the bytes; compare their versions.",
  },
  frameInvalid: {
    code: "MANAGEMENT_FRAME_INVALID",
    exit: 4,
    retryable: false,
    hint: "Whatever wrote this does not speak pgmoneta's management protocol; check which program uses the socket.",
  },
  frameTooLarge: {
    code: "MANAGEMENT_FRAME_TOO_LARGE",
    exit: 4,
    retryable: false,
    hint: "No request of the command-line tool is that large; check which program uses the socket.",
  },
  masterKeyMissing: {
    code: "MANAGEMENT_MASTER_KEY_MISSING",
    exit: 4,
    retryable: false,
    hint: "Create the master key with `moneta-admin master-key` on both sides, or choose --encrypt none.",
  },
  commandUnknown: {
    code: "COMMAND_UNKNOWN",
    exit: 2,
    retryable: false,
    hint: "Use a command that this version knows; `moneta-cli --help` lists them.",
  },
  commandNotAvailable: {
    code: "COMMAND_NOT_AVAILABLE",
    exit: 11,
    retryable: false,
    hint: "This command is known but not built yet in this version; nothing was done.",
  },
  requestInvalid: {
    code: "REQUEST_INVALID",
    exit: 2,
    retryable: false,
    hint: "The request lacks a field or has one of the wrong type; doc/PROTOCOL.md lists the fields of each command.",
  },
  serverUnknown: {
    code: "SERVER_UNKNOWN",
    exit: 5,
    retryable: false,
    hint: "Use the name of a server section of the configuration; `moneta-cli status` lists them.",
  },
  serverOffline: {
    code: "SERVER_OFFLINE",
    exit: 6,
    retryable: false,
    hint: "Bring the server back with `moneta-cli mode <server> online`, before the WAL that its slot keeps fills its disk.",
  },
  backupRetained: {
    code: "BACKUP_RETAINED",
    exit: 6,
    retryable: false,
    hint: "The backup is retained: delete it with --force, or give it back with `moneta-cli expunge` first.",
  },
  commentExists: {
    code: "COMMENT_EXISTS",
    exit: 6,
    retryable: false,
    hint: "Change it with `moneta-cli annotate <server> <backup> update <key> <comment>`.",
  },
  commentNotFound: {
    code: "COMMENT_NOT_FOUND",
    exit: 5,
    retryable: false,
    hint: "`moneta-cli info <server> <backup>` shows the comments of a backup.",
  },
  actionUnknown: {
    code: "ACTION_UNKNOWN",
    exit: 2,
    retryable: false,
    hint: "Use one of the words that the message names.",
  },
  sortInvalid: {
    code: "SORT_INVALID",
    exit: 2,
    retryable: false,
    hint: "Use one of the words that the message names.",
  },
  jobUnknown: {
    code: "JOB_UNKNOWN",
    exit: 5,
    retryable: false,
    hint: "`moneta-cli status details` shows what runs and what waits.",
  },
  socketInUse: {
    code: "MANAGEMENT_SOCKET_IN_USE",
    exit: 12,
    retryable: false,
    hint: "Another daemon answers on this socket; stop it or give this one another unix_socket_dir.",
  },
  socketUnusable: {
    code: "MANAGEMENT_SOCKET_UNUSABLE",
    exit: 12,
    retryable: false,
    hint: "Check that unix_socket_dir exists, belongs to this user and is short enough for a socket.",
  },
  daemonUnreachable: {
    code: "DAEMON_UNREACHABLE",
    exit: 3,
    retryable: true,
    hint: "Start the daemon, check unix_socket_dir, and check that your user may open the socket. Without a daemon, list-backup, info and restore work with --offline.",
  },
  connectionClosed: {
    code: "MANAGEMENT_CONNECTION_CLOSED",
    exit: 3,
    retryable: true,
    hint: "The daemon closed the connection without an answer, so the outcome is unknown. A job ends with its daemon, and one that was still waiting in line never began: look with `moneta-cli status details` and read its log.",
  },
  interrupted: {
    code: "MANAGEMENT_INTERRUPTED",
    exit: 130,
    retryable: true,
    hint: "`moneta-cli progress <server>` shows whether the job goes on, `moneta-cli cancel <server>` ends it.",
  },
  answerTimeout: {
    code: "MANAGEMENT_ANSWER_TIMEOUT",
    exit: 3,
    retryable: true,
    hint: "The daemon did not answer in time, so the outcome is unknown: look with `moneta-cli status details` and read its log.",
  },
});
