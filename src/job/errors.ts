/** Errors of the jobs themselves; those of the procedures are theirs. */
import { defineErrors } from "../common/index.ts";

export const jobErrors = defineErrors({
  planRefused: {
    code: "RESTORE_PLAN_REFUSED",
    exit: 97,
    retryable: false,
    hint: "Without --dry-run the restore would be refused for the same reasons: solve what the message names.",
  },
  backupRemains: {
    code: "BACKUP_REMAINS",
    exit: 98,
    retryable: false,
    hint: "The backup is deleted: it is not listed and cannot be restored. Solve what the message names; what is left of it goes with the next start of the daemon.",
  },
});
