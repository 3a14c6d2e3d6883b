/** Why a run of retention did not come to its end. */
import { defineErrors } from "../common/index.ts";

export const retentionErrors = defineErrors({
  incomplete: {
    code: "RETENTION_INCOMPLETE",
    exit: 98,
    retryable: true,
    hint: "The backup is deleted: it is not listed and cannot be restored. Solve what the message names; what is left of it goes with the next start of the daemon, and retention goes on with its next run.",
  },
});
