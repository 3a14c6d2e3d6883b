/** Errors of the conversation between the supervisor and its children. */
import { defineErrors } from "../common/index.ts";

export const ipcErrors = defineErrors({
  message: {
    code: "IPC_MESSAGE",
    exit: 1,
    retryable: false,
    hint: "Two processes of Moneta disagree about their messages: make sure that all its files are of one and the same build.",
  },
  disconnected: {
    code: "IPC_DISCONNECTED",
    exit: 1,
    retryable: true,
    hint: "The process at the other end is gone; the log of the daemon says why.",
  },
});
