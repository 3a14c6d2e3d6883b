/** What the receiver tells of in `status` although nothing stops: codes and advice. */
import { defineErrors } from "../common/index.ts";

export const receiverErrors = defineErrors({
  branchForeign: {
    code: "WAL_BRANCH_FOREIGN",
    exit: 1,
    retryable: false,
    hint: "An old primary that came back, or another branch of the cluster? Make sure that Moneta follows the right server. What is stored of that timeline is kept and can be restored by naming it (timeline=…).",
  },
  branchLeft: {
    code: "WAL_BRANCH_LEFT",
    exit: 1,
    retryable: false,
    hint: "It is kept, and of use only to look at what the old primary did last (restore with timeline=…); nothing continues it.",
  },
});
