/** Errors of reading the configuration. */
import { defineErrors } from "../common/index.ts";

export const configErrors = defineErrors({
  invalid: {
    code: "CONFIGURATION_INVALID",
    exit: 1,
    retryable: false,
    hint: "Correct each of the named lines; moneta's manual page pgmoneta.conf(5) lists all keys with their values.",
  },
  unreadable: {
    code: "CONFIGURATION_UNREADABLE",
    exit: 1,
    retryable: false,
    hint: "Let the account that runs the program read the file and enter the directories above it; the text must be UTF-8.",
  },
  notFound: {
    code: "CONFIGURATION_NOT_FOUND",
    exit: 1,
    retryable: false,
    hint: "Name the file with -c, or its directory with -D or PGMONETA_CONFIG_DIR; etc/pgmoneta.conf is a sample to begin with.",
  },
  notSet: {
    code: "CONFIGURATION_NOT_SET",
    exit: 5,
    retryable: false,
    hint: "`moneta-admin conf ls <file> [section]` lists the sections of a file, or the keys that one of them sets.",
  },
  keyUnknown: {
    code: "CONFIGURATION_KEY_UNKNOWN",
    exit: 5,
    retryable: false,
    hint: "Name it as key, pgmoneta.key or server.<name>.key; `moneta-cli conf get` shows all of them, pgmoneta.conf(5) explains them.",
  },
  refused: {
    code: "CONFIGURATION_REFUSED",
    exit: 6,
    retryable: false,
    hint: "Nothing was changed. The message says what the value must be; pgmoneta.conf(5) says more.",
  },
  needsRestart: {
    code: "CONFIGURATION_NEEDS_RESTART",
    exit: 6,
    retryable: false,
    hint: "Nothing was changed. Give --save, so that the value is in the file when the daemon is started again.",
  },
  unwritable: {
    code: "CONFIGURATION_UNWRITABLE",
    exit: 6,
    retryable: false,
    hint: "Nothing was changed. A value has one line, and not both kinds of quotes beside white space or comment signs; edit the file by hand if it must.",
  },
  notSaved: {
    code: "CONFIGURATION_NOT_SAVED",
    exit: 1,
    retryable: false,
    hint: "Nothing was changed, neither in the file nor in the daemon. The file must belong to the account that writes it, which must be allowed to write in its directory; else edit it by hand and run `moneta-cli conf reload`.",
  },
});
