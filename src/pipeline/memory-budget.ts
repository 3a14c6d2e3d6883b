/**
 * One bound for the memory of all files of a pipeline, and the buffers it consists of. A reservation never
 * waits, because a piece from a socket must be copied at once; instead the writer is told to pause while the
 * bound is exceeded.
 */

export interface MemoryBudget {
  /** A buffer of at least `size` bytes, counted `weight` times its length until it is given back. */
  take(size: number, weight: number): PooledBuffer;
  /** Counts memory that lies elsewhere; the result gives it back. */
  charge(bytes: number): () => void;
  /** Defined while more is in use than allowed and something is under way that will free it. */
  pressure(): Promise<void> | undefined;
  /** Work that ends by itself begins (ends): only while there is some can waiting make sense. */
  begin(): void;
  end(): void;
  /** Bytes counted at this moment. */
  readonly used: number;
  readonly limit: number;
}

export interface PooledBuffer {
  /** All of its own ArrayBuffer. */
  readonly bytes: Buffer;
  /** The memory was at another thread: what came back is the buffer now. */
  returned(memory: ArrayBuffer): void;
  /** Makes the memory available again; nobody may touch the bytes afterwards. Twice is once. */
  release(): void;
}

/** Buffer sizes: files of a few kilobytes must not cost a megabyte each. */
const SMALLEST = 16 * 1024;

function classOf(size: number): number {
  let length = SMALLEST;
  while (length < size) length *= 4;
  return length;
}

/**
 * @param limit bytes over all files
 * @param largest the chunk size: the largest buffer asked for
 */
export function createMemoryBudget(limit: number, largest: number): MemoryBudget {
  const free = new Map<number, Buffer[]>();
  let freeBytes = 0;
  let used = 0;
  let underWay = 0;
  let waiting: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  const wake = (): void => {
    if (waiting === undefined || (used > limit && underWay > 0)) return;
    const { resolve } = waiting;
    waiting = undefined;
    resolve();
  };

  /** Lets buffers of other lengths go until one of `length` has room: the mix of file sizes changes on the way. */
  const evict = (length: number): void => {
    for (const [other, list] of free) {
      while (other !== length && list.length > 0 && used + freeBytes + length > limit + largest) {
        list.pop();
        freeBytes -= other;
      }
    }
  };

  return {
    take(size, weight) {
      const length = Math.min(classOf(size), Math.max(largest, size));
      const reusable = free.get(length)?.pop();
      if (reusable !== undefined) freeBytes -= length;
      let bytes = reusable ?? Buffer.allocUnsafeSlow(length);
      const counted = length * weight;
      used += counted;
      let held = true;
      const release = (): void => {
        if (!held) return;
        held = false;
        used -= counted;
        // Buffers at rest count too, and those of the length used last are kept. The writer pauses only above the
        // limit, so with the buffer it then fills the limit is always passed by a little: that one must be kept too.
        evict(length);
        // What is still at another thread, because that died, has no length any more.
        if (bytes.length === length && used + freeBytes + length <= limit + largest) {
          freeBytes += length;
          const list = free.get(length);
          if (list === undefined) free.set(length, [bytes]);
          else list.push(bytes);
        }
        wake();
      };
      return {
        get bytes() {
          return bytes;
        },
        returned(memory) {
          bytes = Buffer.from(memory);
        },
        release,
      };
    },
    charge(bytes) {
      used += bytes;
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        used -= bytes;
        wake();
      };
    },
    pressure() {
      if (used <= limit || underWay === 0) return undefined;
      if (waiting === undefined) {
        let resolve: () => void = () => undefined;
        const promise = new Promise<void>((settle) => {
          resolve = settle;
        });
        waiting = { promise, resolve };
      }
      return waiting.promise;
    },
    begin() {
      underWay++;
    },
    end() {
      underWay--;
      wake();
    },
    get used() {
      return used;
    },
    limit,
  };
}
