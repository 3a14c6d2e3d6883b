/** Notes the largest buffer that is asked for, so that a lying length field shows even when its memory is never touched. */
type Allocator = "alloc" | "allocUnsafe" | "allocUnsafeSlow";

let largest = 0;
let watching = false;

/** Begins anew. From the first call on Node's allocators are counted for the rest of the process. */
export function watchAllocations(): void {
  largest = 0;
  if (watching) return;
  watching = true;
  for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow"] satisfies Allocator[]) {
    const original = Buffer[name].bind(Buffer) as (...args: unknown[]) => Buffer;
    Object.defineProperty(Buffer, name, {
      configurable: true,
      value: (size: number, ...rest: unknown[]) => {
        if (size > largest) largest = size;
        return original(size, ...rest);
      },
    });
  }
}

/** Bytes. */
export const largestAllocation = (): number => largest;
