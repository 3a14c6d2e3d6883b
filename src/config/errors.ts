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
});
