/** The files that a configuration names and whose contents are secrets. */
import type { Configuration } from "./configuration.ts";

/** The master key and the private keys of TLS, by their paths. */
export function secretFilesOf({ main, servers }: Pick<Configuration, "main" | "servers">): string[] {
  const keys = [main.masterKeyFile, main.tlsKeyFile, main.metricsKeyFile, ...servers.map(({ tlsKeyFile }) => tlsKeyFile)];
  return [...new Set(keys.filter((path) => path !== undefined))];
}
