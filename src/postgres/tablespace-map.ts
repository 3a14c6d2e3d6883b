/**
 * tablespace_map: where each tablespace of a base backup lay. At the first start PostgreSQL makes the links of
 * pg_tblspc after it, whatever links are there, so a restore must rewrite it (`read_tablespace_map`, xlogrecovery.c).
 * A backslash stands before every line feed, carriage return and backslash of a path.
 */
import { postgresErrors } from "./errors.ts";
import { pathFromBytes, pathToBytes } from "./file-path.ts";

export interface TablespaceMapEntry {
  /** Object identifier of the tablespace, also the name of its link in pg_tblspc. */
  readonly oid: number;
  /** The directory, in the form of `pathFromBytes`. */
  readonly path: string;
}

const refuse = (why: string) => postgresErrors.tablespaceMapDamaged(`tablespace_map ${why}`);

/** One line without its escapes, in the form of `pathFromBytes`. */
function entryOf(line: string): TablespaceMapEntry {
  const match = /^([0-9]{1,10}) ([^]+)$/.exec(line);
  const oid = Number(match?.[1]);
  if (match?.[2] === undefined || oid < 1 || oid > 0xffff_ffff) throw refuse("has a line without identifier and path");
  if (match[2].includes("\0")) throw refuse(`has a zero byte in the path of tablespace ${oid}`);
  return { oid, path: match[2] };
}

/** Reads the file. Throws TABLESPACE_MAP_DAMAGED for anything that PostgreSQL would not follow, and for double entries. */
export function parseTablespaceMap(content: Uint8Array | string): TablespaceMapEntry[] {
  // One character a byte, as PostgreSQL reads it: without the backslash between them two bytes may be one character.
  const bytes = typeof content === "string" ? pathToBytes(content) : content;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const entries: TablespaceMapEntry[] = [];
  let line = "";
  let escaped = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (escaped) {
      line += character;
      escaped = false;
    } else if (character === "\\") {
      escaped = true;
    } else if (character === "\n" || character === "\r") {
      if (line !== "") entries.push(entryOf(pathFromBytes(Buffer.from(line, "latin1"))));
      line = "";
    } else {
      line += character;
    }
  }
  if (line !== "" || escaped) throw refuse("is cut off");
  if (new Set(entries.map((entry) => entry.oid)).size !== entries.length) throw refuse("has a tablespace twice");
  return entries;
}

/** Writes the file the way PostgreSQL does; no entries make an empty file. */
export function formatTablespaceMap(entries: readonly TablespaceMapEntry[]): Buffer {
  const lines = entries.map(({ oid, path }) => {
    const line = `${oid} ${path}`;
    entryOf(line);
    return `${line.replace(/[\n\r\\]/g, "\\$&")}\n`;
  });
  return pathToBytes(lines.join(""));
}
