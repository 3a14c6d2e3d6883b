/** Writes the state segment; one thread of a process does, its workers only add to counts. */
import type { FieldTable, RecordOf } from "./field.ts";
import { configurationFields, jobFields, serverConfigurationFields, serverFields } from "./layout.ts";
import { addToField, readRecord, writeRecord } from "./record.ts";
import { checkIndex, type StateSegment } from "./segment.ts";

/** Names of the counts of a table. */
type CountsOf<T extends FieldTable> = { [K in keyof T]: T[K] extends { kind: "count" } ? K : never }[keyof T] & string;

export interface RecordWriter<T extends FieldTable> {
  /** Changes these fields at one stroke. */
  set(values: Partial<RecordOf<T>>): void;
  /** Adds to one count. */
  add(name: CountsOf<T>, amount: number): void;
  read(): RecordOf<T>;
}

/** Called after each change with the names of the fields that are different now. */
export type ChangeListener = (names: readonly string[]) => void;

export interface StateWriter {
  configuration(): RecordWriter<typeof configurationFields>;
  serverConfiguration(index: number): RecordWriter<typeof serverConfigurationFields>;
  server(index: number, onChange?: ChangeListener): RecordWriter<typeof serverFields>;
  job(index: number, onChange?: ChangeListener): RecordWriter<typeof jobFields>;
}

export function openStateWriter(segment: StateSegment): StateWriter {
  const { cells, plan, shape } = segment;
  const record = <T extends FieldTable>(base: number, table: T, onChange?: ChangeListener): RecordWriter<T> => ({
    set(values) {
      const changed = writeRecord(cells, base, table, values);
      if (changed.length > 0) onChange?.(changed);
    },
    add(name, amount) {
      addToField(cells, base, table, name, amount);
      onChange?.([name]);
    },
    read: () => readRecord(cells, base, table),
  });
  return {
    configuration: () => record(plan.configuration, configurationFields),
    serverConfiguration(index) {
      checkIndex("servers", index, shape);
      return record(plan.serverConfiguration(index), serverConfigurationFields);
    },
    server(index, onChange) {
      checkIndex("servers", index, shape);
      return record(plan.server(index), serverFields, onChange);
    },
    job(index, onChange) {
      checkIndex("jobs", index, shape);
      return record(plan.job(index), jobFields, onChange);
    },
  };
}
