/** A thread of a pool that ends at its first word, as one does whose library takes the process down. */
import { answerRequests } from "../../../src/compression/thread-pool.ts";

answerRequests<string, string>((request) => {
  if (request === "end") process.exit(3);
  return Promise.resolve({ message: request, transfer: [] });
});
