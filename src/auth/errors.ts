import { defineErrors } from "../common/index.ts";

/** What can go wrong between two sides that prove to each other who they are. */
export const authErrors = defineErrors({
  protocol: {
    code: "AUTH_PROTOCOL",
    exit: 1,
    retryable: false,
    hint: "The other side does not speak SCRAM as RFC 5802 asks: check that it is the program it should be.",
  },
  rejected: {
    code: "AUTH_REJECTED",
    exit: 1,
    retryable: false,
    hint: "Check the user name and the password on both sides.",
  },
  serverUnproven: {
    code: "AUTH_SERVER_UNPROVEN",
    exit: 1,
    retryable: false,
    hint: "The server could not show that it knows the password: something stands between, or the role was changed just now. Do not go on before this is understood.",
  },
  tlsSettings: {
    code: "TLS_SETTINGS",
    exit: 1,
    retryable: false,
    hint: "Correct the TLS files that the configuration or the command line names: they must exist, be readable by the account, keep the key private, and belong together.",
  },
});
