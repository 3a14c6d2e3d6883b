/**
 * One record in shared memory: a sequence cell, then its fields.
 *
 * The sequence is a seqlock (odd while being written): readers in any thread see all values of one `writeRecord`
 * or none. A record has one writing thread; any other thread may only `addToField`, which is atomic by itself.
 */
import { stateErrors } from "./errors.ts";
import { cellsOf, decodeValue, encodeValue, type Field, type FieldTable, type RecordOf } from "./field.ts";

interface PlacedField {
  readonly name: string;
  readonly definition: Field;
  /** Cells after the sequence cell. */
  readonly offset: number;
  readonly length: number;
}

const placed = new WeakMap<FieldTable, readonly PlacedField[]>();

/** The fields of a table with their offsets, in order. */
export function fieldsOf(table: FieldTable): readonly PlacedField[] {
  const known = placed.get(table);
  if (known !== undefined) return known;
  let offset = 1;
  const fields = Object.entries(table).map(([name, definition]) => {
    const place = { name, definition, offset, length: cellsOf(definition) };
    offset += place.length;
    return place;
  });
  placed.set(table, fields);
  return fields;
}

/** Cells of one record, its sequence included. */
export function recordCells(table: FieldTable): number {
  return fieldsOf(table).reduce((sum, field) => sum + field.length, 1);
}

/** Spins before the reader lets the writing thread have the processor. */
const SPINS = 200;
/** Waits of a millisecond before the writer is taken for dead: a write takes microseconds. */
const PATIENCE = 2000;

/** All fields as they were at one moment. Throws `STATE_TORN` when a writer died in the middle of a write. */
export function readRecord<T extends FieldTable>(cells: BigInt64Array, base: number, table: T): RecordOf<T> {
  const fields = fieldsOf(table);
  const raw = new Array<bigint>(recordCells(table));
  for (let attempt = 0; attempt < SPINS + PATIENCE; attempt += 1) {
    const before = Atomics.load(cells, base);
    if ((before & 1n) === 0n) {
      for (let index = 1; index < raw.length; index += 1) raw[index] = Atomics.load(cells, base + index);
      if (Atomics.load(cells, base) === before) {
        const pairs = fields.map((field): [string, unknown] => [
          field.name,
          decodeValue(field.name, field.definition, raw.slice(field.offset, field.offset + field.length)),
        ]);
        return Object.fromEntries(pairs) as RecordOf<T>;
      }
    } else if (attempt >= SPINS) {
      Atomics.wait(cells, base, before, 1);
    }
  }
  throw stateErrors.torn(`the record at cell ${base} of the state segment is being written for too long`, {
    cell: base,
  });
}

/** Changes some fields at once; nothing is changed when one value does not fit. Returns the names that really changed. */
export function writeRecord<T extends FieldTable>(
  cells: BigInt64Array,
  base: number,
  table: T,
  values: Partial<RecordOf<T>>,
): readonly string[] {
  const changes: { name: string; at: number; words: bigint[] }[] = [];
  const given: Readonly<Record<string, unknown>> = values;
  for (const name of Object.keys(given)) {
    const field = fieldsOf(table).find((candidate) => candidate.name === name);
    if (field === undefined) throw stateErrors.value(`there is no field "${name}" in this record`, { field: name });
    if (given[name] === undefined) continue;
    const words = encodeValue(name, field.definition, given[name]);
    const at = base + field.offset;
    if (words.some((word, index) => Atomics.load(cells, at + index) !== word)) changes.push({ name, at, words });
  }
  if (changes.length === 0) return [];
  Atomics.add(cells, base, 1n);
  for (const { at, words } of changes) words.forEach((word, index) => Atomics.store(cells, at + index, word));
  Atomics.add(cells, base, 1n);
  Atomics.notify(cells, base);
  return changes.map((change) => change.name);
}

/** Adds to a count, from any thread. */
export function addToField(cells: BigInt64Array, base: number, table: FieldTable, name: string, amount: number): void {
  const field = fieldsOf(table).find((candidate) => candidate.name === name);
  if (field?.definition.kind !== "count") throw stateErrors.value(`field "${name}" is not a count`, { field: name });
  Atomics.add(cells, base + field.offset, BigInt(amount));
}
