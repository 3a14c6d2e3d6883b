import { createHash } from "node:crypto";

export interface ManifestParts {
  readonly version: number;
  readonly systemIdentifier?: string;
  readonly files: readonly {
    readonly path?: string;
    /** Hexadecimal, instead of `path`. */
    readonly encoded?: string;
    readonly size: number;
    readonly algorithm?: string;
    readonly checksum?: string;
  }[];
  readonly ranges: readonly { readonly timeline: number; readonly start: string; readonly end: string }[];
}

/** A text as PostgreSQL's escape_json writes it. */
const quote = (text: string) =>
  JSON.stringify(text).replace(/\\u([0-9a-f]{4})/g, (_all, digits: string) => `\\u${digits}`);

function fileLine(file: ManifestParts["files"][number]): string {
  const name = file.encoded === undefined ? `"Path": ${quote(file.path ?? "")}` : `"Encoded-Path": "${file.encoded}"`;
  const checksum =
    file.checksum === undefined
      ? ""
      : `, "Checksum-Algorithm": "${file.algorithm ?? "CRC32C"}", "Checksum": "${file.checksum}"`;
  return `{ ${name}, "Size": ${file.size}, "Last-Modified": "2026-11-20 09:39:06 GMT"${checksum} }`;
}

/** A manifest laid out as PostgreSQL lays it out, checksum included. */
export function manifestText(parts: ManifestParts): string {
  const identifier = parts.systemIdentifier === undefined ? "" : `"System-Identifier": ${parts.systemIdentifier},\n`;
  const ranges = parts.ranges.map(
    (r) => `{ "Timeline": ${r.timeline}, "Start-LSN": "${r.start}", "End-LSN": "${r.end}" }`,
  );
  const body =
    `{ "PostgreSQL-Backup-Manifest-Version": ${parts.version},\n${identifier}` +
    `"Files": [\n${parts.files.map(fileLine).join(",\n")}\n],\n` +
    `"WAL-Ranges": [\n${ranges.join(",\n")}\n],\n`;
  return `${body}"Manifest-Checksum": "${createHash("sha256").update(body).digest("hex")}"}\n`;
}
