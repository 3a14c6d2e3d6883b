/** Worker thread of the bzip2 pool: one request, one answer, each with the bytes transferred. */
import { collectYoung } from "../common/index.ts";
import { loadBzip2Engine } from "./bzip2-engine.ts";
import type { Bzip2Request } from "./bzip2-pool.ts";
import { answerRequests } from "./thread-pool.ts";

// Awaited within the handler, so that a missing library is the answer to a request and not a dead thread.
const loading = loadBzip2Engine();
loading.catch(() => undefined);
answerRequests<Bzip2Request, Uint8Array>(async ({ kind, bytes, parameter }) => {
  const engine = await loading;
  const message = kind === "compress" ? engine.compress(bytes, parameter) : engine.decompress(bytes, parameter);
  // V8 would keep the input of some sixty requests before it looked.
  collectYoung();
  return { message, transfer: [message.buffer as ArrayBuffer] };
});
