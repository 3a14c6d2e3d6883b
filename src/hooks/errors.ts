/** Errors of hooks: programs of operators that run before and after what jobs do. */
import { defineErrors } from "../common/index.ts";

export const hookErrors = defineErrors({
  refused: {
    code: "HOOK_REFUSED",
    exit: 70,
    retryable: true,
    hint: "The program of the hook ended with something other than 0, and nothing was done. The log of the daemon has its output; doc/manual/hooks.md has what it is called with.",
  },
  timeLimit: {
    code: "HOOK_TIME_LIMIT",
    exit: 70,
    retryable: true,
    hint: "The program of the hook took longer than hook_timeout and was killed; nothing was done. Make it faster, or raise the limit.",
  },
  notStarted: {
    code: "HOOK_NOT_STARTED",
    exit: 70,
    retryable: false,
    hint: "The program of the hook must be an executable file of which the account of the daemon may run every part; nothing was done.",
  },
});
