/** Worker thread of the lz4 pool. */
import { collectYoung, messageOf } from "../common/index.ts";
import { compressionErrors } from "./errors.ts";
import type { Lz4Answer, Lz4Request } from "./lz4-pool.ts";
import { loadLz4 } from "./lz4.ts";
import { answerRequests } from "./thread-pool.ts";

// Awaited within the handler, so that a missing library is the answer to a request and not a dead thread.
const loading = loadLz4();
loading.catch(() => undefined);

answerRequests<Lz4Request, Lz4Answer>(async ({ plain, length, frame }) => {
  const library = await loading;
  let packed: Buffer;
  try {
    packed = library.compressFrameSync(Buffer.from(plain, 0, length), { contentChecksum: true });
  } catch (error) {
    throw compressionErrors.failed(`lz4 failed: ${messageOf(error)}`, {}, error);
  }
  const roomy = packed.length <= frame.byteLength ? frame : (Buffer.allocUnsafeSlow(packed.length).buffer);
  new Uint8Array(roomy).set(packed);
  const message = { plain, frame: roomy, length: packed.length };
  // The library's allocator gives the same room again, still in the cache.
  collectYoung();
  return { message, transfer: [plain, roomy] };
});
