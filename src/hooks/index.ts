export { hookErrors } from "./errors.ts";
export * from "./hook-table.ts";
export * from "./options.ts";
export * from "./run-hooks.ts";
