/** Errors of support bundles. */
import { defineErrors } from "../common/index.ts";

export const diagnoseErrors = defineErrors({
  incomplete: {
    code: "DIAGNOSE_INCOMPLETE",
    exit: 9,
    retryable: true,
    hint: "The bundle was written and can be used; its README says which parts are missing and why. Repair that, or send it as it is.",
  },
  notWritten: {
    code: "DIAGNOSE_NOT_WRITTEN",
    exit: 1,
    retryable: false,
    hint: "Nothing was written. Name a file in a directory that this account may write to, with --output.",
  },
  partLate: {
    code: "DIAGNOSE_PART_LATE",
    exit: 1,
    retryable: true,
    hint: "This part of the bundle took too long and is missing in it; a disk, a program or a server that hangs is often the very trouble.",
  },
  noLogFile: {
    code: "DIAGNOSE_NO_LOG",
    exit: 1,
    retryable: false,
    hint: "The log cannot be read from here; take its last lines from where it goes, and look through them before you send them.",
  },
});
