/** What the entries of the command table have in common. */
import type { CommandArgument, CommandFlag, CommandSpec } from "./command-spec.ts";

type Partially = Partial<CommandSpec> & Pick<CommandSpec, "number" | "description">;

/** Completes an entry of the table: what is not said is usual. */
export const entry = (name: string, spec: Partially): CommandSpec => ({
  name,
  wireName: name,
  available: false,
  // Whoever forgets to say has said no to everybody else.
  role: "admin",
  job: false,
  server: spec.arguments?.some((argument) => argument.kind === "server") ?? false,
  workflow: "main",
  answers: true,
  arguments: [],
  flags: [],
  fields: {},
  examples: [],
  ...spec,
});

export const server: CommandArgument = {
  name: "server",
  kind: "server",
  field: "Server",
  description: "name of a server section of the configuration",
};
export const label: CommandArgument = {
  name: "backup",
  kind: "label",
  field: "Backup",
  description: "a label, or oldest, newest, latest",
};
export const position: CommandArgument = {
  name: "position",
  kind: "position",
  field: "Position",
  optional: true,
  description:
    "where recovery stops: current, name=X, xid=X, lsn=X, time=X, with timeline=X, inclusive=X, action=X, primary, replica; separated by commas",
};
export const directory: CommandArgument = {
  name: "directory",
  kind: "directory",
  field: "Directory",
  description: "directory that receives the result",
};
export const file: CommandArgument = {
  name: "file",
  kind: "file",
  field: "SourceFile",
  description: "file to convert in place",
};
export const cascade: CommandFlag = {
  name: "cascade",
  field: "Cascade",
  description: "also for the parents up to the full backup",
};
export const convertedFile: CommandFlag = {
  name: "file",
  value: "path",
  form: "path",
  field: "SourceFile",
  description: "a file that the daemon compresses, decompresses, encrypts or decrypts, in place of a server",
};
