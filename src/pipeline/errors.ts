import { defineErrors } from "../common/index.ts";

/** What can go wrong between a source of bytes and its stored file, in both directions. */
export const pipelineErrors = defineErrors({
  /** A stored file is not what was written. */
  damaged: {
    code: "STORED_FILE_DAMAGED",
    exit: 80,
    retryable: false,
    hint: "The stored file is not what was written: check the storage, and use another backup of this server.",
  },
  /** Another file of the same pipeline failed; this one was given up. */
  stopped: {
    code: "PIPELINE_STOPPED",
    exit: 81,
    retryable: true,
    hint: "Another file of the same job failed first: its error says why.",
  },
  /** The file was given up by its owner. */
  aborted: {
    code: "PIPELINE_FILE_ABORTED",
    exit: 82,
    retryable: true,
    hint: "The job was cancelled, or gave up for a reason that the log names.",
  },
  /** The thread that hashes died, or never started. */
  threadEnded: {
    code: "PIPELINE_THREAD_ENDED",
    exit: 84,
    retryable: true,
    hint: "The log says why; memory may have run out. Try again.",
  },
  /** A call that makes no sense, for example writing after the end. */
  misused: {
    code: "PIPELINE_MISUSED",
    exit: 83,
    retryable: false,
    hint: "This is a defect of Moneta: report it with the log of the daemon.",
  },
});
