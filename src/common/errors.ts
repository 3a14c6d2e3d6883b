/** Errors of the common floor. */
import { defineErrors } from "./moneta-error.ts";

export const commonErrors = defineErrors({
  aborted: {
    code: "ABORTED",
    exit: 20,
    retryable: true,
    hint: "The operation was cancelled or the daemon is shutting down; start it again when you want it.",
  },
  timeout: {
    code: "TIMEOUT",
    exit: 21,
    retryable: true,
    hint: "Nothing answered in time; check the network, the load and the time-outs in the configuration.",
  },
  invalidValue: {
    code: "VALUE_INVALID",
    exit: 2,
    retryable: false,
    hint: "Correct the value; the message says which form is expected.",
  },
  targetExists: {
    code: "TARGET_EXISTS",
    exit: 22,
    retryable: false,
    hint: "Something lies already where the result should go; look at it, then move it away or choose another place.",
  },
  syncFailed: {
    code: "SYNC_FAILED",
    exit: 23,
    retryable: false,
    hint: "The system could not confirm that the data is on disk; check the disk and the kernel log before you trust it.",
  },
  fileLockFailed: {
    code: "FILE_LOCK_FAILED",
    exit: 24,
    retryable: false,
    hint: "Locks on files need the program flock (util-linux) and a file system that has them; the message says what failed.",
  },
  stateTransition: {
    code: "STATE_TRANSITION",
    exit: 1,
    retryable: false,
    hint: "This is a defect: an event arrived in a state that does not know it. Please report it with the log.",
  },
});
