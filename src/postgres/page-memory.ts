/**
 * The sums of page-checksum.ts over a whole page at a time in WebAssembly: four 32-bit lanes in each vector, so that the
 * 32 sums are eight vectors that stay in registers. Seven times the speed of the same in JavaScript, which took a sixth of
 * the processor time of a backup. The module is assembled here, instruction by instruction (WebAssembly Core
 * Specification 2.0, chapter 5, "Binary Format"), because it is one loop and a compiler for it would be a dependency.
 */
import { baseOffsets, foldWords, prime } from "./page-checksum.ts";

/** Where pages are put to be summed; used by everybody in the thread, so nothing stays there for a later turn of its loop. */
export interface PageMemory {
  /** A multiple of the largest page. */
  readonly bytes: Uint8Array;
  /** The same memory. */
  readonly words: Int32Array;
  /** The sums of the page that begins at byte `from` and has `length` bytes, folded into one; its own checksum must be zero. */
  readonly fold: (from: number, length: number) => number;
}

const memoryPages = 8;
const memoryBytes = memoryPages * 64 * 1024;
const vectors = 8;
const rowBytes = vectors * 16;

const i32 = 0x7f;
const v128 = 0x7b;
/** Locals: the two parameters, the sums, what a sum is mixed from, the prime in every lane. */
const [at, end, firstSum] = [0, 1, 2];
const mixed = firstSum + vectors;
const primes = mixed + 1;

const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const tee = (local: number): number[] => [0x22, local];
const simd = (operation: number): number[] => [0xfd, ...unsigned(operation)];
const [xor, multiply, shiftRight] = [simd(0x51), simd(0xb5), simd(0xad)];
const constant = (lanes: readonly number[]): number[] => [...simd(0x0c), ...new Uint8Array(Int32Array.from(lanes).buffer)];
const vectorAt = (offset: number): number[] => [...get(at), ...simd(0x00), 4, ...unsigned(offset)];
const lane = (number: number): number[] => [...simd(0x1b), number];
const i32Constant = (value: number): number[] => [0x41, ...signed(value)];

/** sum = (value * prime) ^ (value >>> 17), the value being on the stack. */
const mixInto = (sum: number): number[] => [
  ...tee(mixed),
  ...get(primes),
  ...multiply,
  ...get(mixed),
  ...i32Constant(17),
  ...shiftRight,
  ...xor,
  ...set(sum),
];

const sums = Array.from({ length: vectors }, (_, index) => firstSum + index);

function foldPage(): number[] {
  const start = sums.flatMap((sum, index) => [...constant([...baseOffsets.subarray(4 * index, 4 * index + 4)]), ...set(sum)]);
  const row = sums.flatMap((sum, index) => [...get(sum), ...vectorAt(16 * index), ...xor, ...mixInto(sum)]);
  const zeros = sums.flatMap((sum) => [...get(sum), ...mixInto(sum)]);
  const folded = [...sums.flatMap((sum, index) => [...get(sum), ...(index === 0 ? [] : xor)]), ...set(mixed)];
  const lanes = [0, 1, 2, 3].flatMap((index) => [...get(mixed), ...lane(index), ...(index === 0 ? [] : [0x73])]);
  return [
    // `end` comes as the length.
    ...[...get(at), ...get(end), 0x6a, ...set(end)],
    ...[...constant([prime, prime, prime, prime]), ...set(primes)],
    ...start,
    ...[0x03, 0x40, ...row],
    ...[...get(at), ...i32Constant(rowBytes), 0x6a, ...tee(at), ...get(end), 0x49, 0x0d, 0x00, 0x0b],
    // Two rounds of zeros mix the last row as well as the others.
    ...[...zeros, ...zeros],
    ...[...folded, ...lanes, 0x0b],
  ];
}

function assemble(): Uint8Array<ArrayBuffer> {
  const code = [1, ...unsigned(vectors + 2), v128, ...foldPage()];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, 0x60, 2, i32, i32, 1, i32]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0x01, memoryPages, memoryPages]),
    ...section(7, [2, ...text("memory"), 0x02, 0, ...text("fold"), 0x00, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content];
const text = (name: string): number[] => [name.length, ...Buffer.from(name)];

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  return value >= -64 && value < 64 ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}

/** What is used of it: the types of Node 20 know it only in part. */
interface Engine {
  validate(module: Uint8Array): boolean;
  readonly Module: new (module: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Pick<PageMemory, "fold"> & { readonly memory: { readonly buffer: ArrayBuffer } } };
}

let opened: PageMemory | undefined;

/** The memory of this thread. */
export function openPageMemory(): PageMemory {
  return (opened ??= vectorMemory() ?? plainMemory());
}

/** Undefined where the processor knows no vectors. */
export function vectorMemory(): PageMemory | undefined {
  const { WebAssembly: engine } = globalThis as unknown as { readonly WebAssembly: Engine };
  const module = assemble();
  if (!engine.validate(module)) return undefined;
  const { fold, memory } = new engine.Instance(new engine.Module(module)).exports;
  return { bytes: new Uint8Array(memory.buffer), words: new Int32Array(memory.buffer), fold };
}

export function plainMemory(): PageMemory {
  const words = new Int32Array(memoryBytes / 4);
  return { bytes: new Uint8Array(words.buffer), words, fold: (from, length) => foldWords(words, from / 4, length / 4) };
}
