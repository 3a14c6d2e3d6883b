/** How a verification ends when it cannot say yes. */
import { defineErrors } from "../common/index.ts";

export const verifyErrors = defineErrors({
  /** Something is not as it was stored; what, is in the details. */
  damaged: {
    code: "VERIFY_FOUND_DAMAGE",
    exit: 85,
    retryable: false,
    hint: "The answer lists what was found. A backup that cannot be restored any more is marked and no longer offered: take a new one, and look at the disk. Verified again after a repair, it is offered again.",
  },
  /** Nothing that hinders a restore was found, but not everything could be read. */
  incomplete: {
    code: "VERIFY_INCOMPLETE",
    exit: 86,
    retryable: true,
    hint: "Nothing is said of what could not be read, and no backup is marked for it. Look at the disk, its permissions and the kernel log, then verify again.",
  },
  foreign: {
    code: "VERIFY_BACKUP_FOREIGN",
    exit: 87,
    retryable: false,
    hint: "A later version of Moneta took this backup: verify it with that version.",
  },
  /** Not thrown: a problem that status names as long as it lasts. */
  overdue: {
    code: "VERIFICATION_OVERDUE",
    exit: 1,
    retryable: false,
    hint: "The log says why verifications fail. If there is more to read than fits into the period, raise verification_rate or the period.",
  },
});
