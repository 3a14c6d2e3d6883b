/** What can be wrong with the HTTP listener. */
import { defineErrors } from "../common/index.ts";

export const httpErrors = defineErrors({
  address: {
    code: "METRICS_ADDRESS",
    exit: 1,
    retryable: true,
    hint: "Choose an address of this machine (host) and a port that nobody else uses (metrics), or wait until it is free; `ss -ltnp` shows who has it.",
  },
});
