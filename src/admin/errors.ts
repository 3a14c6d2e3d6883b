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
});
