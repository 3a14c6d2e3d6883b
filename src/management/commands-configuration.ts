/** The commands about the configuration of a daemon that runs. */
import { entry } from "./command-parts.ts";
import type { CommandSpec } from "./command-spec.ts";

export const configurationCommands = {
  "conf reload": entry("conf reload", {
    number: 11,
    available: true,
    long: true,
    workflow: "configuration",
    description: "Read the configuration again and put it in force",
    examples: ["conf reload"],
  }),
  "conf ls": entry("conf ls", {
    number: 21,
    available: true,
    role: "operator",
    workflow: "configuration",
    description: "Show the paths of the configuration files",
    examples: ["conf ls"],
  }),
  "conf get": entry("conf get", {
    number: 22,
    available: true,
    role: "operator",
    workflow: "configuration",
    arguments: [
      {
        name: "key",
        kind: "key",
        field: "ConfigKey",
        optional: true,
        description: "key, pgmoneta.key or server.<name>.key; pgmoneta or server.<name> for a whole section",
      },
    ],
    fields: { ConfigKey: "text?" },
    description: "Show the configuration that is in force, a section or one key of it",
    examples: ["conf get", "conf get workers", "conf get server.primary.retention"],
  }),
  "conf set": entry("conf set", {
    number: 23,
    available: true,
    long: true,
    workflow: "configuration",
    arguments: [
      { name: "key", kind: "key", field: "ConfigKey", description: "key, pgmoneta.key or server.<name>.key" },
      { name: "value", kind: "text", field: "ConfigValue", description: "new value, as the file would have it" },
    ],
    flags: [{ name: "save", field: "Save", description: "write it to the configuration file as well" }],
    fields: { ConfigKey: "text", ConfigValue: "text", Save: "flag" },
    secretFields: ["ConfigValue"],
    description: "Change a key of the running daemon",
    examples: ["conf set workers 4", "conf set --save server.primary.max_rate 50000000"],
  }),
} as const satisfies Readonly<Record<string, CommandSpec>>;
