/** Errors of the log's own places. */
import { defineErrors } from "../common/index.ts";

export const logErrors = defineErrors({
  cannotOpen: {
    code: "LOG_NOT_OPENED",
    exit: 1,
    retryable: false,
    hint: "Create the directory of log_path and let the account that runs the daemon write there.",
  },
});
