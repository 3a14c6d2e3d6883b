/** Why an archive of a backup is not made. */
import { defineErrors } from "../common/index.ts";

export const archiveErrors = defineErrors({
  noSpace: {
    code: "ARCHIVE_NO_SPACE",
    exit: 30,
    retryable: true,
    hint: "Free space where the archive shall lie, choose another directory, or configure compression.",
  },
  inconsistent: {
    code: "ARCHIVE_INCONSISTENT",
    exit: 95,
    retryable: false,
    hint: "The parts of this backup contradict one another: verify it, and use another one.",
  },
  failed: {
    code: "ARCHIVE_WRITE_FAILED",
    exit: 96,
    retryable: true,
    hint: "The system refused to write the archive: look at permissions, the disk and the kernel log.",
  },
});
