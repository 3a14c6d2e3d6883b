import { replicationErrors } from "./errors.ts";

/** `text` as a string constant that means the same whatever `standard_conforming_strings` says. */
export function quoteLiteral(text: string): string {
  refuseZero(text);
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes("\\") ? `E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}

/** `name` as an identifier, its case and all characters kept. */
export function quoteIdentifier(name: string): string {
  refuseZero(name);
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * `text` as a string of the replication commands: their grammar (repl_scanner.l) knows doubled quotes and
 * no escapes at all, so a backslash stands for itself.
 */
export function quoteReplicationLiteral(text: string): string {
  refuseZero(text);
  return `'${text.replaceAll("'", "''")}'`;
}

function refuseZero(text: string): void {
  if (text.includes("\0")) throw replicationErrors.misuse("a text with a zero byte cannot be sent to a server");
}
