/** Decodes several frames at a time and yields their plain bytes in the order of the stream. */

/** A frame whose decoding has not begun, or a stream of plain pieces that takes its turn in order. */
export type FrameJob = (() => Promise<Uint8Array>) | AsyncIterable<Uint8Array>;

/** Frames ahead of the one being consumed: enough for two threads, little enough for small machines. */
const AHEAD = 3;
/** Plain pieces handed on are not larger than this, whatever the frames are. */
const PIECE = 1024 * 1024;

/** Pieces of at most a megabyte out of one of any size; views, no copies. */
export function* inPieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += PIECE) yield bytes.subarray(offset, offset + PIECE);
}

/**
 * Runs the jobs of `jobs` a few ahead and yields what they give, in order. The first error ends it; by then
 * no job is left running.
 * @param weight plain bytes a job may give; together those ahead stay below `limit`
 */
export async function* decodeInOrder(
  jobs: AsyncIterable<{ readonly job: FrameJob; readonly weight: number }>,
  limit: number,
): AsyncGenerator<Uint8Array> {
  const ahead: { readonly result: Promise<Uint8Array>; readonly weight: number }[] = [];
  let weight = 0;
  const first = async (): Promise<Uint8Array> => {
    const next = ahead.shift();
    if (next === undefined) return new Uint8Array(0);
    weight -= next.weight;
    return next.result;
  };
  try {
    for await (const { job, weight: added } of jobs) {
      const stream = typeof job !== "function";
      while (ahead.length > 0 && (stream || ahead.length >= AHEAD || weight + added > limit))
        yield* inPieces(await first());
      if (stream) {
        yield* job;
      } else {
        const result = job();
        // Reported when its turn comes; until then it must not count as unhandled.
        result.catch(() => undefined);
        ahead.push({ result, weight: added });
        weight += added;
      }
    }
    while (ahead.length > 0) yield* inPieces(await first());
  } finally {
    await Promise.allSettled(ahead.map((each) => each.result));
  }
}
