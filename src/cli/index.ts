export { cliErrors } from "./errors.ts";
export { usageOf } from "./invocation.ts";
export type * from "./offline-operations.ts";
export { globalOptions } from "./program.ts";
export { runCli } from "./run.ts";
export type * from "./terminal.ts";
