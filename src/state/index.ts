export * from "./delta.ts";
export * from "./errors.ts";
export type { FieldTable, RecordOf } from "./field.ts";
export * from "./layout.ts";
export * from "./mirror.ts";
export * from "./reader.ts";
export * from "./segment.ts";
export * from "./writer.ts";
