/** A decoder stream of zlib, made strict: it must consume every byte that it is given. */
import type { Transform } from "node:stream";
import { messageOf } from "../common/index.ts";
import { compressionErrors } from "./errors.ts";

/** zlib streams count what their engine consumed; the rest they would drop without a word. */
interface CountingStream extends Transform {
  readonly bytesWritten: number;
}

/** Input is given in such steps, so that what one step may yield is bounded (deflate: about a thousandfold). */
const STEP = 32 * 1024;

/**
 * Plain pieces of `source` through a fresh decoder. Driven step by step instead of piped: a piped decoder that
 * ends before its input does so silently, or with whatever error the stream machinery happens to make of it.
 * @throws COMPRESSED_DATA_DAMAGED when zlib refuses, or leaves a rest
 */
export async function* decodeByStream(
  name: string,
  create: () => Transform,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const decoder = create() as CountingStream;
  const ready: Buffer[] = [];
  let refusal: Error | undefined;
  let wake: () => void = () => undefined;
  decoder.on("data", (piece: Buffer) => ready.push(piece));
  decoder.on("error", (error) => {
    refusal = error;
    wake();
  });
  decoder.on("end", () => wake());
  /** Runs one call of the decoder to its end, or to its error. */
  const run = async (call: (done: () => void) => void): Promise<void> => {
    await new Promise<void>((resolve) => {
      wake = resolve;
      call(resolve);
    });
    if (refusal !== undefined)
      throw compressionErrors.damaged(`${name} refuses the data: ${messageOf(refusal)}`, {}, refusal);
  };
  let given = 0;
  try {
    for await (const piece of source) {
      for (let offset = 0; offset < piece.length; offset += STEP) {
        const step = piece.subarray(offset, offset + STEP);
        given += step.length;
        await run((done) => decoder.write(step, () => done()));
        if (decoder.bytesWritten !== given)
          throw compressionErrors.damaged(`foreign bytes behind the end of ${name} data`);
        yield* ready.splice(0);
      }
    }
    if (given === 0) throw compressionErrors.damaged(`no ${name} data where some is due`);
    await run(() => decoder.end());
    if (decoder.bytesWritten !== given) throw compressionErrors.damaged(`foreign bytes behind the end of ${name} data`);
    yield* ready.splice(0);
  } finally {
    decoder.destroy();
  }
}
