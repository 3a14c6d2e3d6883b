/**
 * Kinds of field of the state segment and how each lies in memory: in whole cells of 8 bytes, because `Atomics`
 * reads and writes 64 bits at once on no smaller footing than that.
 */
import { stateErrors } from "./errors.ts";

/** Bytes of one cell. */
export const CELL_SIZE = 8;

/** Unsigned whole number up to 2^53 - 1 (bytes, counts, milliseconds since 1970). */
export interface CountField {
  readonly kind: "count";
}
/** 64-bit position in the WAL. */
export interface LsnField {
  readonly kind: "lsn";
}
export interface FlagField {
  readonly kind: "flag";
}
/** One word of a fixed list; the first one is what a fresh segment holds. */
export interface ChoiceField<Word extends string = string> {
  readonly kind: "choice";
  readonly words: readonly Word[];
}
/** Short text in UTF-8, cut at a character when it is longer than its cells. */
export interface TextField {
  readonly kind: "text";
  readonly cells: number;
}
export type Field = CountField | LsnField | FlagField | ChoiceField | TextField;
export type FieldTable = Readonly<Record<string, Field>>;

/** The JavaScript value of a field. */
export type ValueOf<F extends Field> =
  F extends ChoiceField<infer Word>
    ? Word
    : F extends LsnField
      ? bigint
      : F extends FlagField
        ? boolean
        : F extends TextField
          ? string
          : number;
/** One record as a plain object. */
export type RecordOf<T extends FieldTable> = { readonly [K in keyof T]: ValueOf<T[K]> };

/** Builders, so that a table of fields reads like a list. */
export const field = {
  count: { kind: "count" } as CountField,
  lsn: { kind: "lsn" } as LsnField,
  flag: { kind: "flag" } as FlagField,
  choice: <Word extends string>(...words: readonly Word[]): ChoiceField<Word> => ({ kind: "choice", words }),
  text: (cells: number): TextField => ({ kind: "text", cells }),
};

export function cellsOf(definition: Field): number {
  return definition.kind === "text" ? definition.cells : 1;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The cells that hold `value`; throws `STATE_VALUE` when it does not fit the field. */
export function encodeValue(name: string, definition: Field, value: unknown): bigint[] {
  const refuse = (): never => {
    throw stateErrors.value(`field "${name}" cannot hold ${JSON.stringify(String(value))}`, { field: name });
  };
  switch (definition.kind) {
    case "count":
      return [typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : refuse()];
    case "lsn":
      return [typeof value === "bigint" && value >= 0n && value < 1n << 64n ? BigInt.asIntN(64, value) : refuse()];
    case "flag":
      return [typeof value === "boolean" ? (value ? 1n : 0n) : refuse()];
    case "choice": {
      const place = definition.words.indexOf(String(value));
      return [place >= 0 ? BigInt(place) : refuse()];
    }
    case "text":
      return typeof value === "string" ? encodeText(value, definition.cells) : refuse();
  }
}

function encodeText(text: string, cells: number): bigint[] {
  const bytes = new Uint8Array(cells * CELL_SIZE);
  // encodeInto never writes half a character, and the last byte stays free so that the end is always found.
  encoder.encodeInto(text.replaceAll("\0", ""), bytes.subarray(0, bytes.length - 1));
  return [...new BigInt64Array(bytes.buffer)];
}

/** The value that `encodeValue` put into the cells. */
export function decodeValue(name: string, definition: Field, cells: readonly bigint[]): unknown {
  const first = cells[0] ?? 0n;
  switch (definition.kind) {
    case "count":
      return Number(first);
    case "lsn":
      return BigInt.asUintN(64, first);
    case "flag":
      return first !== 0n;
    case "choice": {
      const word = definition.words[Number(first)];
      if (word === undefined)
        throw stateErrors.value(`field "${name}" holds the unknown choice ${first}`, { field: name });
      return word;
    }
    case "text": {
      const bytes = new Uint8Array(BigInt64Array.from(cells).buffer);
      return decoder.decode(bytes.subarray(0, bytes.indexOf(0)));
    }
  }
}
