/** Errors of the state segment. */
import { defineErrors } from "../common/index.ts";

export const stateErrors = defineErrors({
  layout: {
    code: "STATE_LAYOUT",
    exit: 1,
    retryable: false,
    hint: "Two parts of Moneta disagree about the layout of the state segment: make sure that all its files are of one and the same build.",
  },
  value: {
    code: "STATE_VALUE",
    exit: 1,
    retryable: false,
    hint: "This is a defect: a value does not fit its field of the state segment. Please report it with the log.",
  },
  torn: {
    code: "STATE_TORN",
    exit: 1,
    retryable: true,
    hint: "A writer of the state segment stopped in the middle of a write; restart the process that reports this.",
  },
});
