/** Files and stretches of WAL in a backup_manifest: their fields, what these must look like, and what they become. */
import type { MonetaError } from "../common/index.ts";
import { postgresErrors } from "./errors.ts";
import { checkRelativePath, pathFromBytes, printablePath } from "./file-path.ts";
import type { Lsn } from "./lsn.ts";
import { parseLsn } from "./lsn.ts";
import { timelineId } from "./timeline-id.ts";
import type { WalRange } from "./wal-range.ts";

/** One file of the backup. */
export interface ManifestFile {
  /** Relative to the data directory, in the form of `pathFromBytes`; tablespaces below `pg_tblspc/<oid>/`. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** As written, in GMT: `2026-11-20 09:39:06 GMT`. */
  readonly lastModified?: string;
  /** `NONE` is never given here: the field is absent then. */
  readonly checksumAlgorithm?: ManifestChecksumAlgorithm;
  /** Lower-case hexadecimal, in the byte order that PostgreSQL writes (a CRC32C is its four bytes, lowest first). */
  readonly checksum?: string;
}

export type ManifestChecksumAlgorithm = keyof typeof checksumDigits;
const checksumDigits = { CRC32C: 8, SHA224: 56, SHA256: 64, SHA384: 96, SHA512: 128 } as const;

/** A CRC-32C as a manifest writes it: the bytes of the number, lowest first, in hexadecimal. */
export function manifestCrc32c(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(crc >>> 0);
  return bytes.toString("hex");
}

/** The fields that versions 1 and 2 know. */
export const manifestFileFields = ["Path", "Encoded-Path", "Size", "Last-Modified", "Checksum-Algorithm", "Checksum"];
export const manifestRangeFields = ["Timeline", "Start-LSN", "End-LSN"];

/** The error for a defect of a manifest, with the place where it shows if that is known. */
export const manifestError = (why: string, offset?: number): MonetaError =>
  postgresErrors.manifestDamaged(
    offset === undefined ? `backup_manifest: ${why}` : `backup_manifest, byte ${offset}: ${why}`,
    offset === undefined ? {} : { offset },
  );

/** A whole number without sign that a JavaScript number can hold. */
export function unsignedOf(written: string, field: string): number {
  const value = Number(written);
  if (!/^[0-9]+$/.test(written) || !Number.isSafeInteger(value)) throw manifestError(`${field} is not a whole number`);
  return value;
}

/** The fields of a file or of a range of WAL, as written; a literal is neither text nor number. */
export type ManifestFields = Map<string, { text?: string; number?: string }>;

const textOf = (fields: ManifestFields, name: string): string | undefined => {
  const value = fields.get(name);
  if (value !== undefined && value.text === undefined) throw manifestError(`${name} is not a text`);
  return value?.text;
};
const numberOf = (fields: ManifestFields, name: string): number => {
  const written = fields.get(name)?.number;
  if (written === undefined) throw manifestError(`${name} is missing or not a number`);
  return unsignedOf(written, name);
};

/** Path of a file as its bytes and as ours. */
function pathOf(fields: ManifestFields): { bytes: Buffer; path: string } {
  const plain = textOf(fields, "Path");
  const encoded = textOf(fields, "Encoded-Path");
  if ((plain === undefined) === (encoded === undefined))
    throw manifestError("a file needs either Path or Encoded-Path");
  if (encoded !== undefined && !/^(?:[0-9A-Fa-f]{2})+$/.test(encoded))
    throw manifestError("an Encoded-Path is not hexadecimal");
  const bytes = encoded === undefined ? Buffer.from(plain ?? "", "utf8") : Buffer.from(encoded, "hex");
  return { bytes, path: checkRelativePath(pathFromBytes(bytes), "backup_manifest") };
}

function checksumOf(fields: ManifestFields, path: string): Pick<ManifestFile, "checksumAlgorithm" | "checksum"> {
  const algorithm = textOf(fields, "Checksum-Algorithm")?.toUpperCase();
  const checksum = textOf(fields, "Checksum")?.toLowerCase();
  if (checksum === undefined && (algorithm === undefined || algorithm === "NONE")) return {};
  if (algorithm === undefined || checksum === undefined)
    throw manifestError(`half of the checksum of ${printablePath(path)} is missing`);
  if (!Object.hasOwn(checksumDigits, algorithm))
    throw manifestError(`${printablePath(path)} has a checksum of the unknown kind ${algorithm}`);
  const known = algorithm as ManifestChecksumAlgorithm;
  if (!/^[0-9a-f]*$/.test(checksum) || checksum.length !== checksumDigits[known]) {
    throw manifestError(`the ${algorithm} of ${printablePath(path)} has a wrong form`);
  }
  return { checksumAlgorithm: known, checksum };
}

/** A file, and the bytes of its path. Throws BACKUP_MANIFEST_DAMAGED or FILE_PATH_REFUSED. */
export function manifestFileOf(fields: ManifestFields): { file: ManifestFile; pathBytes: Buffer } {
  const { bytes, path } = pathOf(fields);
  const size = numberOf(fields, "Size");
  const lastModified = textOf(fields, "Last-Modified");
  const modified = lastModified === undefined ? {} : { lastModified };
  return { file: { path, size, ...modified, ...checksumOf(fields, path) }, pathBytes: bytes };
}

/** A stretch of WAL. Throws BACKUP_MANIFEST_DAMAGED. */
export function manifestRangeOf(fields: ManifestFields): WalRange {
  const timeline = numberOf(fields, "Timeline");
  const position = (name: string): Lsn => {
    const text = textOf(fields, name);
    if (text === undefined || !/^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/.test(text))
      throw manifestError(`${name} is not a WAL position`);
    return parseLsn(text);
  };
  if (timeline < 1 || timeline > 0xffff_ffff) throw manifestError(`${timeline} is not a timeline`);
  const range = { timeline: timelineId(timeline), start: position("Start-LSN"), end: position("End-LSN") };
  if (range.end < range.start) throw manifestError("a stretch of WAL ends before it begins");
  return range;
}
