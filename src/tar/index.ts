export * from "./errors.ts";
export type { TarEntry } from "./tar-header.ts";
export * from "./tar-reader.ts";
export * from "./tar-writer.ts";
