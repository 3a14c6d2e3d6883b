/** Makes a failing input as short and as plain as it gets while it still fails in the same way. */
export interface MinimiseLimits {
  readonly attempts: number;
  readonly untilMs: number;
}

export async function minimise(
  input: Buffer,
  stillFails: (candidate: Buffer) => Promise<boolean>,
  { attempts, untilMs }: MinimiseLimits,
): Promise<Buffer> {
  let best = input;
  let left = attempts;
  const end = performance.now() + untilMs;
  const better = async (candidate: Buffer): Promise<boolean> => {
    if (left <= 0 || performance.now() > end) return false;
    left -= 1;
    if (!(await stillFails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let size = Math.max(1, best.length >> 1); size >= 1; size >>= 1) {
    for (let at = 0; at < best.length; ) {
      if (!(await better(Buffer.concat([best.subarray(0, at), best.subarray(at + size)])))) at += size;
    }
  }
  for (let at = 0; at < best.length && best.length <= 256; at += 1) {
    if (best[at] === 0x30) continue;
    const plain = Buffer.from(best);
    plain[at] = 0x30;
    await better(plain);
  }
  return best;
}
