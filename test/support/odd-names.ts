/** Names that formats, shells, quoting and terminals stumble over, as bytes, because not all of them are text. */

/** Names of up to 63 bytes that PostgreSQL takes for a role, a database or a tablespace; the last is no UTF-8. */
export const oddNames: readonly Buffer[] = [
  "with blank",
  `"double" 'single'`,
  "two\nlines\r\n",
  "\u{1F418} \u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
  "-n",
  "CASE",
  "case",
  "back\\slash\\n",
  "per%20cent%",
  "a=b[c]#d;e,f|g:h$(id)`x`",
  "tab\tbell\u0007escape\u001b[31m",
  " ends with blank ",
  "63" + "x".repeat(61),
  "63 " + "é".repeat(30),
  "63" + "\t".repeat(61),
  Buffer.from("caf\xe9 \xff", "latin1"),
].map((name) => Buffer.from(name));

/** Names of files that a data directory may hold besides PostgreSQL's own; at most 99 bytes, which is what tar takes. */
export const oddFileNames: readonly Buffer[] = [
  ...oddNames,
  "x",
  "x.zstd",
  "x.zstd.zstd",
  "x.aes",
  "y.partial",
  "99" + "z".repeat(97),
  "*",
  "~",
  "...",
  "backup_manifest.tmp",
].map((name) => Buffer.from(name));
