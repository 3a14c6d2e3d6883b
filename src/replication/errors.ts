import { defineErrors, MonetaError } from "../common/index.ts";

/** What can go wrong between us and a PostgreSQL server. An error that the server sent carries `details.sqlstate`. */
export const replicationErrors = defineErrors({
  unreachable: {
    code: "SERVER_UNREACHABLE",
    exit: 1,
    retryable: true,
    hint: "Check that PostgreSQL runs, listens on this host and port (listen_addresses, port, unix_socket_directories) and that no firewall stands between.",
  },
  nameUnresolved: {
    code: "SERVER_NAME_UNRESOLVED",
    exit: 1,
    retryable: true,
    hint: "See that host in the server's section is spelled right, and what this machine knows of it: getent hosts <name>, /etc/hosts, /etc/resolv.conf. The name is looked up anew at each attempt, and the receiver goes on trying.",
  },
  connectTimeout: {
    code: "SERVER_CONNECT_TIMEOUT",
    exit: 1,
    retryable: true,
    hint: "The server did not finish the connection in time: check the network, the load of the server and the configured time-out.",
  },
  connectionLost: {
    code: "SERVER_CONNECTION_LOST",
    exit: 1,
    retryable: true,
    hint: "The connection ended without a word from the server: see PostgreSQL's log for the reason.",
  },
  silent: {
    code: "SERVER_SILENT",
    exit: 1,
    retryable: true,
    hint: "Nothing arrived although the server should have answered: the link is probably half open, or the server is stopped.",
  },
  serverStopped: {
    code: "SERVER_STOPPED",
    exit: 1,
    retryable: true,
    hint: "PostgreSQL is shutting down; streaming goes on when it is back.",
  },
  protocol: {
    code: "SERVER_PROTOCOL",
    exit: 1,
    retryable: true,
    hint: "What arrived is not PostgreSQL's protocol: check that host and port lead to a PostgreSQL server, without a program between that changes the bytes.",
  },
  streamBroken: {
    code: "WAL_STREAM_BROKEN",
    exit: 1,
    retryable: true,
    hint: "The server sent WAL from another position than the one that comes next; the connection is made anew.",
  },
  authenticationUnsupported: {
    code: "AUTH_METHOD_UNSUPPORTED",
    exit: 1,
    retryable: false,
    hint: "Use scram-sha-256, a client certificate, or trust or password on a safe link in pg_hba.conf; for scram-sha-256 set password_encryption = 'scram-sha-256' and set the role's password again.",
  },
  passwordMissing: {
    code: "AUTH_PASSWORD_MISSING",
    exit: 1,
    retryable: false,
    hint: "Add the role to the users file (moneta-admin user add) or to the pass file of the daemon's system user.",
  },
  authenticationFailed: {
    code: "AUTH_FAILED",
    exit: 1,
    retryable: false,
    hint: "Check the role, its password and the line for it in pg_hba.conf (database \"replication\" for the stream).",
  },
  passFileRefused: {
    code: "PASS_FILE_REFUSED",
    exit: 1,
    retryable: false,
    hint: "A pass file must be a plain file that only its owner can read: chmod 0600.",
  },
  tlsRefused: {
    code: "TLS_REFUSED",
    exit: 1,
    retryable: false,
    hint: "The server has no TLS (ssl = on, ssl_cert_file, ssl_key_file), but this configuration asks for it: clear text is not used instead.",
  },
  tlsFailed: {
    code: "TLS_FAILED",
    exit: 1,
    retryable: false,
    hint: "The server's certificate must be signed by the configured authority and made out for the configured host name, and our own accepted by the server. The files are read anew at each attempt, and the receiver goes on trying: nothing has to be started again.",
  },
  serverError: {
    code: "SERVER_ERROR",
    exit: 1,
    retryable: false,
    hint: "PostgreSQL refused the request: its message and its log say why.",
  },
  serverUnavailable: {
    code: "SERVER_UNAVAILABLE",
    exit: 1,
    retryable: true,
    hint: "PostgreSQL cannot serve the request at this moment: it is tried again.",
  },
  slotActive: {
    code: "SLOT_ACTIVE",
    exit: 1,
    retryable: true,
    hint: "Another connection uses the replication slot: SELECT active_pid FROM pg_replication_slots shows which; after a broken link the server frees it within wal_sender_timeout.",
  },
  walRemoved: {
    code: "SERVER_WAL_REMOVED",
    exit: 1,
    retryable: false,
    hint: "The server no longer has this WAL: use a replication slot, and raise max_slot_wal_keep_size or wal_keep_size.",
  },
  baseBackupUnsupported: {
    code: "BASE_BACKUP_OPTION_UNSUPPORTED",
    exit: 1,
    retryable: false,
    hint: "Leave out the option, or use a server that has it.",
  },
  misuse: {
    code: "CONNECTION_MISUSE",
    exit: 1,
    retryable: false,
    hint: "This is a defect: please report it with the log.",
  },
});

/** SQLSTATE of an error that a server sent, undefined for all others. */
export function sqlStateOf(error: unknown): string | undefined {
  const state = error instanceof MonetaError ? error.details["sqlstate"] : undefined;
  return typeof state === "string" ? state : undefined;
}
