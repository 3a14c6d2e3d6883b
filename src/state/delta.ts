/** Changed fields of one record in a form that JSON carries: positions as decimal text, everything else as it is. */
import { stateErrors } from "./errors.ts";
import { encodeValue, type FieldTable, type RecordOf } from "./field.ts";

export type DeltaValue = string | number | boolean;
export type Delta = Readonly<Record<string, DeltaValue>>;

/** The fields of `names` in which `now` differs from `before` (all without `before`); undefined when there is none. */
export function encodeDelta<T extends FieldTable>(
  table: T,
  before: RecordOf<T> | undefined,
  now: RecordOf<T>,
  names: readonly string[] = Object.keys(table),
): Delta | undefined {
  const delta: Record<string, DeltaValue> = {};
  for (const name of names) {
    const value = now[name];
    if (value === undefined || value === before?.[name]) continue;
    delta[name] = typeof value === "bigint" ? value.toString() : value;
  }
  return Object.keys(delta).length === 0 ? undefined : delta;
}

/** The values of a delta for `RecordWriter.set`; throws `STATE_VALUE` for what is not a field of the table. */
export function decodeDelta<T extends FieldTable>(table: T, delta: Delta): Partial<RecordOf<T>> {
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(delta)) {
    const definition = Object.hasOwn(table, name) ? table[name] : undefined;
    if (definition === undefined)
      throw stateErrors.value(`there is no field "${name}" in this record`, { field: name });
    values[name] = definition.kind === "lsn" ? decodePosition(name, value) : value;
  }
  return values as Partial<RecordOf<T>>;
}

function decodePosition(name: string, value: DeltaValue): bigint {
  if (typeof value !== "string" || !/^\d{1,20}$/.test(value)) {
    throw stateErrors.value(`field "${name}" cannot hold ${JSON.stringify(value)}`, { field: name });
  }
  return BigInt(value);
}

/** Throws `STATE_VALUE` unless every value of the delta fits its field and the sender may change that field. */
export function checkDelta(table: FieldTable, delta: Delta, names: readonly string[] = Object.keys(table)): void {
  const values: Readonly<Record<string, unknown>> = decodeDelta(table, delta);
  for (const [name, value] of Object.entries(values)) {
    const definition = table[name];
    if (definition === undefined || !names.includes(name)) {
      throw stateErrors.value(`field "${name}" is not the sender's to change`, { field: name });
    }
    encodeValue(name, definition, value);
  }
}
