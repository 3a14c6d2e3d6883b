/** Worker thread of the bzip2 pool: one request, one answer, each with the bytes transferred. */
import { loadBzip2Engine } from "./bzip2-engine.ts";
import type { Bzip2Request } from "./bzip2-pool.ts";
import { answerRequests } from "./thread-pool.ts";

// Awaited within the handler, so that a missing library is the answer to a request and not a dead thread.
const loading = loadBzip2Engine();
loading.catch(() => undefined);
answerRequests<Bzip2Request, Uint8Array>(async ({ kind, bytes, parameter }) => {
  const engine = await loading;
  const message = kind === "compress" ? engine.compress(bytes, parameter) : engine.decompress(bytes, parameter);
  return { message, transfer: [message.buffer as ArrayBuffer] };
});
