/** Keys of the configuration file of moneta-cli; the names of its sections do not matter. */
import { defaulting, optional, type OptionTable } from "./option.ts";
import { clientLoggingOptions } from "./options-logging.ts";
import { integer, oneOf, path, text } from "./value-kinds.ts";

export const clientOptions = {
  host: optional(text, { reload: "none", description: "The host of remote management." }),
  port: defaulting(integer(0, 65535, "a port from 1 to 65535, or 0 for none"), 0, {
    reload: "none",
    description: "The port of remote management.",
  }),
  unix_socket_dir: optional(path, {
    reload: "none",
    expandsEnvironment: true,
    description: "The directory of the management socket .s.pgmoneta.",
  }),
  compression: defaulting(oneOf(["none", "gzip", "zstd", "lz4", "bzip2"], { gz: "gzip", bz2: "bzip2" }), "none", {
    reload: "none",
    description: "The compression of what is sent to the daemon.",
  }),
  encryption: defaulting(
    oneOf(["none", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm"], {
      aes: "aes-256-gcm",
      aes256: "aes-256-gcm",
      aes192: "aes-192-gcm",
      aes128: "aes-128-gcm",
      "aes-256": "aes-256-gcm",
      "aes-192": "aes-192-gcm",
      "aes-128": "aes-128-gcm",
      "aes256-gcm": "aes-256-gcm",
      "aes192-gcm": "aes-192-gcm",
      "aes128-gcm": "aes-128-gcm",
    }),
    "none",
    {
      reload: "none",
      description: "The encryption of what is sent to the daemon; both sides need the same master key.",
    },
  ),
  output: defaulting(oneOf(["text", "json", "raw"]), "text", {
    reload: "none",
    alias: "Output",
    description: "The form of what is printed; pgmoneta's spelling Output is understood too.",
  }),
  ...clientLoggingOptions,
} satisfies OptionTable;
