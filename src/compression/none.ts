/** No compression: a chunk is its own frame. */
import { chunkSizeOf, type Compressor } from "./compressor.ts";
import { compressionErrors } from "./errors.ts";

export function createNoneCompressor(): Compressor {
  return {
    method: "none",
    chunkSize: chunkSizeOf("none"),
    compress: async (plain) => plain,
    async decompress(frame, plainLength) {
      if (frame.length !== plainLength) {
        throw compressionErrors.damaged(`chunk holds ${frame.length} bytes where ${plainLength} are due`);
      }
      return frame;
    },
    close: async () => undefined,
  };
}
