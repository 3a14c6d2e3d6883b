/** The commands about the daemon as a whole. `command-spec.ts` says what the columns mean. */
import { entry } from "./command-parts.ts";
import type { CommandSpec } from "./command-spec.ts";

export const daemonCommands = {
  ping: entry("ping", {
    number: 9,
    available: true,
    role: "viewer",
    description: "Ask whether the daemon answers",
    examples: ["ping"],
  }),
  status: entry("status", {
    number: 7,
    available: true,
    role: "viewer",
    workflow: "status",
    description: "Show space, servers and their WAL streams",
    examples: ["status"],
  }),
  "status details": entry("status details", {
    wireName: "status-details",
    number: 8,
    available: true,
    role: "viewer",
    workflow: "status-details",
    description: "Show the status with backups and running jobs",
    examples: ["status details"],
  }),
  "notify test": entry("notify test", {
    number: 1031,
    available: true,
    role: "operator",
    long: true,
    workflow: "notify",
    description: "Send a test through every target of notifications",
    examples: ["notify test"],
  }),
  diagnose: entry("diagnose", {
    number: 1040,
    available: true,
    role: "admin",
    long: true,
    workflow: "diagnose",
    flags: [
      {
        name: "output",
        value: "file",
        form: "path",
        field: "Output",
        description: "file of the bundle; moneta-diagnose-<time>.tar.gz in the present directory without it",
      },
    ],
    description: "Write a support bundle: all that helps to find out what is wrong, without secrets",
    examples: ["diagnose --output /srv/diagnose.tar.gz"],
  }),
  "clear prometheus": entry("clear prometheus", {
    wireName: "clear",
    number: 10,
    available: true,
    answers: false,
    workflow: "clear",
    description: "Reset the metrics that count lines of the log",
    examples: ["clear prometheus"],
  }),
  shutdown: entry("shutdown", {
    number: 6,
    available: true,
    role: "admin",
    answers: false,
    workflow: "shutdown",
    description: "Stop the daemon",
    examples: ["shutdown"],
  }),
} as const satisfies Readonly<Record<string, CommandSpec>>;
