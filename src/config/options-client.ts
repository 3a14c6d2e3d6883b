/** Keys of the configuration file of moneta-cli; the names of its sections do not matter. */
import { defaulting, optional, type OptionTable } from "./option.ts";
import { clientLoggingOptions } from "./options-logging.ts";
import { integer, named, oneOf, path, text } from "./value-kinds.ts";

export const clientOptions = {
  host: optional(text, { reload: "none", description: "The host of remote management, which is asked when both host and port are set." }),
  port: defaulting(integer(0, 65535, "a port from 1 to 65535, or 0 for none"), 0, {
    reload: "none",
    description: "The port of remote management.",
  }),
  user: optional(named("the name of an admin of remote management"), {
    reload: "none",
    ours: true,
    description: "The name for remote management; without it the name is asked for.",
  }),
  password_file: optional(path, {
    reload: "none",
    ours: true,
    expandsEnvironment: true,
    description:
      "A file of mode 0600 with lines host:port:admin:user:password, as PostgreSQL's pass file; without it ~/.pgpass is looked at.",
  }),
  tls_mode: optional(oneOf(["disable", "prefer", "require", "verify-full"]), {
    reload: "none",
    ours: true,
    description:
      "Whether TLS is used for remote management: never; if the daemon offers it; always; or always with the daemon's certificate and name checked, which is the only choice with tls_ca_file. Without it prefer for a daemon on this machine, else require.",
  }),
  tls_ca_file: optional(path, {
    reload: "none",
    ours: true,
    expandsEnvironment: true,
    description: "The certificate authority of the daemon's certificate; without it ~/.pgmoneta/root.crt if it is there.",
  }),
  tls_crl_file: optional(path, {
    reload: "none",
    ours: true,
    expandsEnvironment: true,
    description: "The revocation list (PEM) of the certificate authority: a daemon whose certificate is in it is not trusted, and none is once the list has run out.",
  }),
  tls_cert_file: optional(path, {
    reload: "none",
    ours: true,
    expandsEnvironment: true,
    description: "The client certificate that is shown to the daemon; without it ~/.pgmoneta/pgmoneta.crt if it is there.",
  }),
  tls_key_file: optional(path, {
    reload: "none",
    ours: true,
    expandsEnvironment: true,
    description: "The private key that belongs to tls_cert_file; without it ~/.pgmoneta/pgmoneta.key if it is there.",
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
