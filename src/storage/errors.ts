/** What a place that keeps bytes can refuse or fail to do. Every message names the path, and the bytes where there are some. */
import { defineErrors } from "../common/index.ts";

export const storageErrors = defineErrors({
  full: {
    code: "STORAGE_FULL",
    exit: 30,
    retryable: true,
    hint: "Free space or inodes (or raise the quota) on the file system of the named path; what was not finished has been given up cleanly.",
  },
  readOnly: {
    code: "STORAGE_READ_ONLY",
    exit: 31,
    retryable: false,
    hint: "The file system of the named path is mounted read-only, which Linux also does after a disk error: read the kernel log.",
  },
  inputOutput: {
    code: "STORAGE_IO_ERROR",
    exit: 32,
    retryable: false,
    hint: "The disk could not read or write; read the kernel log and check the disk before you trust what lies on it.",
  },
  denied: {
    code: "STORAGE_DENIED",
    exit: 33,
    retryable: false,
    hint: "Give the account that runs Moneta ownership of the named path (directories 0700, files 0600).",
  },
  notFound: {
    code: "STORAGE_NOT_FOUND",
    exit: 34,
    retryable: false,
    hint: "The named file is not there; if nobody removed it on purpose, look at the disk and at what else works in this directory.",
  },
  exists: {
    code: "STORAGE_EXISTS",
    exit: 35,
    retryable: false,
    hint: "Something lies already under the named path and is never overwritten; look at it, then move it away.",
  },
  tooManyFiles: {
    code: "STORAGE_TOO_MANY_OPEN_FILES",
    exit: 36,
    retryable: true,
    hint: "Raise the limit of open files (ulimit -n, LimitNOFILE) or lower the number of workers.",
  },
  pathRefused: {
    code: "STORAGE_PATH_REFUSED",
    exit: 37,
    retryable: false,
    hint: "A name that leads out of its directory is never followed; find out where this name came from.",
  },
  fileShrank: {
    code: "STORAGE_FILE_SHRANK",
    exit: 38,
    retryable: false,
    hint: "The file became shorter while it was read: something else changes this directory, or the disk is damaged.",
  },
  misuse: {
    code: "STORAGE_MISUSE",
    exit: 1,
    retryable: false,
    hint: "This is a defect: a tree or file was used after its end. Please report it with the log.",
  },
  failed: {
    code: "STORAGE_FAILED",
    exit: 39,
    retryable: false,
    hint: "The system refused an operation on the named path; the message carries its reason.",
  },
});
