/** The commands of pgmoneta that are known and refused until they are built. */
import { directory, entry, label, position, server } from "./command-parts.ts";
import type { CommandSpec } from "./command-spec.ts";

export const laterCommands = {
  "conf reload": entry("conf reload", {
    number: 11,
    workflow: "configuration",
    description: "Read the configuration again",
  }),
  "conf ls": entry("conf ls", {
    number: 21,
    workflow: "configuration",
    description: "Show the paths of the configuration files",
  }),
  "conf get": entry("conf get", {
    number: 22,
    workflow: "configuration",
    arguments: [
      {
        name: "key",
        kind: "key",
        field: "ConfigKey",
        optional: true,
        description: "key, pgmoneta.key or server.<name>.key",
      },
    ],
    description: "Show the configuration or one key of it",
  }),
  "conf set": entry("conf set", {
    number: 23,
    workflow: "configuration",
    arguments: [
      { name: "key", kind: "key", field: "ConfigKey", description: "key, pgmoneta.key or server.<name>.key" },
      { name: "value", kind: "text", field: "ConfigValue", description: "new value" },
    ],
    fields: { ConfigKey: "text", ConfigValue: "text" },
    description: "Change a key of the running daemon",
  }),
  "clear prometheus": entry("clear prometheus", {
    wireName: "clear",
    number: 10,
    answers: false,
    workflow: "clear",
    description: "Reset the counters of the metrics",
  }),
  "s3 ls": entry("s3 ls", {
    number: 200,
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
    job: true,
    workflow: "s3",
    arguments: [server, { ...label, field: "S3Prefix" }, position, directory],
    fields: { Server: "text", S3Prefix: "text", Position: "text?", Directory: "text" },
    description: "Restore a backup from S3",
  }),
} as const satisfies Readonly<Record<string, CommandSpec>>;
