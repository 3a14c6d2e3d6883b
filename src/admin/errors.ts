/** Errors of moneta-admin's own making; most come from the vault. */
import { defineErrors } from "../common/index.ts";

export const adminErrors = defineErrors({
  usage: {
    code: "ADMIN_USAGE",
    exit: 2,
    retryable: false,
    hint: "See moneta-admin --help.",
  },
  root: {
    code: "ADMIN_AS_ROOT",
    exit: 1,
    retryable: false,
    hint: "Run it as the account of the daemon, for instance with `sudo -u pgmoneta moneta-admin …`.",
  },
  interrupted: {
    code: "ADMIN_INTERRUPTED",
    exit: 130,
    retryable: false,
    hint: "Nothing was changed.",
  },
  noInput: {
    code: "ADMIN_NO_INPUT",
    exit: 1,
    retryable: false,
    hint: "Give the user with -U and the password with -P, -g or the environment variable PGMONETA_PASSWORD, or answer at a terminal.",
  },
  notTheSame: {
    code: "ADMIN_PASSWORDS_DIFFER",
    exit: 1,
    retryable: false,
    hint: "Type the same password twice.",
  },
  initInterrupted: {
    code: "ADMIN_INIT_INTERRUPTED",
    exit: 130,
    retryable: true,
    hint: "Nothing is half-written: what is there by now is listed above. The same command goes on from there.",
  },
  initConflict: {
    code: "ADMIN_INIT_CONFLICT",
    exit: 110,
    retryable: false,
    hint: "What is there is never written over. Choose another --server-name, or change what is there with moneta-admin conf set or moneta-admin user edit.",
  },
  placeUnusable: {
    code: "ADMIN_PLACE_UNUSABLE",
    exit: 111,
    retryable: true,
    hint: "Let the account of the daemon write there, or choose another place (--repository, -D); then run the same command again.",
  },
  serverUnfit: {
    code: "ADMIN_SERVER_UNFIT",
    exit: 112,
    retryable: true,
    hint: "Do on the server what is printed above, then run the same command again: it goes on from there.",
  },
  declined: {
    code: "ADMIN_DECLINED",
    exit: 113,
    retryable: true,
    hint: "Have what is printed above done by whoever may, then run the same command again: it goes on from there.",
  },
  roleUnusable: {
    code: "ADMIN_ROLE_UNUSABLE",
    exit: 114,
    retryable: true,
    hint: "A role with REPLICATION is made by a superuser, from PostgreSQL 16 on also by a role with CREATEROLE and REPLICATION. The password of a role that exists is given with --role-password-file, or replaced by --reset-password.",
  },
  daemonNotStarted: {
    code: "ADMIN_DAEMON_NOT_STARTED",
    exit: 115,
    retryable: true,
    hint: "Start the daemon as the message says, then run the same command again: it goes on from there.",
  },
  foreignDaemon: {
    code: "ADMIN_FOREIGN_DAEMON",
    exit: 118,
    retryable: false,
    hint: "What it says is about its own servers, so it was asked for nothing. Give this configuration another unix_socket_dir (moneta-admin conf set), or name the directory of the daemon that runs with -D.",
  },
  notStreaming: {
    code: "ADMIN_NOT_STREAMING",
    exit: 116,
    retryable: true,
    hint: "moneta-cli status and the log of the daemon say more. The daemon keeps trying; the same command goes on from there.",
  },
  notProven: {
    code: "ADMIN_NOT_PROVEN",
    exit: 117,
    retryable: true,
    hint: "The daemon runs and streams. Put right what the message names, then run the same command again: it goes on from there.",
  },
});
