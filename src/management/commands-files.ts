/** The commands about single files, which belong to no server. `command-spec.ts` says what the columns mean. */
import { entry, file } from "./command-parts.ts";
import type { CommandSpec } from "./command-spec.ts";

export const fileCommands = {
  compress: entry("compress", {
    number: 17,
    available: true,
    role: "admin",
    long: true,
    workflow: "compress",
    arguments: [file],
    fields: { SourceFile: "text" },
    description: "Compress a file in place",
    examples: ["compress /srv/archive/dump.sql"],
  }),
  decompress: entry("decompress", {
    number: 16,
    available: true,
    role: "admin",
    long: true,
    workflow: "decompress",
    arguments: [file],
    fields: { SourceFile: "text" },
    description: "Decompress a file in place",
    examples: ["decompress /srv/archive/dump.sql.zstd"],
  }),
  encrypt: entry("encrypt", {
    number: 15,
    available: true,
    role: "admin",
    long: true,
    workflow: "aes",
    arguments: [file],
    fields: { SourceFile: "text" },
    description: "Encrypt a file in place, as pgmoneta does",
    examples: ["encrypt /srv/archive/dump.sql.zstd"],
  }),
  decrypt: entry("decrypt", {
    number: 14,
    available: true,
    role: "admin",
    long: true,
    workflow: "aes",
    arguments: [file],
    fields: { SourceFile: "text" },
    description: "Decrypt a file in place",
    examples: ["decrypt /srv/archive/dump.sql.zstd.aes"],
  }),
} as const satisfies Readonly<Record<string, CommandSpec>>;
