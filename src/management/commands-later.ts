/** The commands of pgmoneta that are known and refused until they are built. */
import { directory, entry, label, position, server } from "./command-parts.ts";
import type { CommandSpec } from "./command-spec.ts";

export const laterCommands = {
  "s3 ls": entry("s3 ls", {
    number: 200,
    role: "viewer",
    workflow: "s3",
    arguments: [
      server,
      { name: "prefix", kind: "text", field: "S3Prefix", optional: true, description: "prefix of the keys" },
    ],
    fields: { Server: "text", S3Prefix: "text?" },
    description: "List the objects of a server",
  }),
  "s3 restore": entry("s3 restore", {
    number: 201,
    role: "operator",
    job: true,
    workflow: "s3",
    arguments: [server, { ...label, field: "S3Prefix" }, position, directory],
    fields: { Server: "text", S3Prefix: "text", Position: "text?", Directory: "text" },
    description: "Restore a backup from S3",
  }),
} as const satisfies Readonly<Record<string, CommandSpec>>;
