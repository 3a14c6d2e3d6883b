/**
 * One header block of a tar archive in the dialect of PostgreSQL's base backups: POSIX ustar (IEEE Std 1003.1,
 * pax, "ustar Interchange Format") with GNU's base-256 numbers for files of 8 GiB and more. Names beyond 100
 * bytes do not occur: the server refuses such files itself.
 */
import { tarErrors } from "./errors.ts";

export const BLOCK_LENGTH = 512;

/** What an archive holds under one name. */
export interface TarEntry {
  /** Relative, without leading "./" and trailing "/"; `rawPath` through the reader's `decodePath`. */
  readonly path: string;
  /** The same as bytes. */
  readonly rawPath: Buffer;
  readonly kind: "file" | "directory" | "symlink";
  /** Permission bits, at most 0o7777. */
  readonly mode: number;
  /** Bytes of the body; 0 for directories and links. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly modified: number;
  /** Where a symbolic link points, as the server wrote it; usually absolute. */
  readonly linkTarget?: string;
  readonly rawLinkTarget?: Buffer;
}

const CHECKSUM_AT = 148;
const CHECKSUM_END = 156;
const kinds: Readonly<Record<string, TarEntry["kind"] | undefined>> = {
  "0": "file",
  "\0": "file",
  "2": "symlink",
  "5": "directory",
};

/** A field of bytes up to its first NUL. */
function textField(block: Uint8Array, offset: number, length: number): Buffer {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  // A copy: the entry outlives the piece that the block lies in.
  return Buffer.from(end < 0 ? field : field.subarray(0, end));
}

/** Octal digits, or base 256 when the first bit is set. */
function numberField(block: Uint8Array, offset: number, length: number, what: string): number {
  const first = block[offset] ?? 0;
  let value = 0;
  if ((first & 0x80) !== 0) {
    // 0x80 begins a positive number, 0xff a negative one, which no field here can be.
    value = first & 0x7f;
    for (let index = 1; index < length; index++) {
      value = value * 256 + (block[offset + index] ?? 0);
      if (value > Number.MAX_SAFE_INTEGER) throw tarErrors.malformed(`${what} of a tar entry is out of range`);
    }
    return value;
  }
  const text = Buffer.from(block.subarray(offset, offset + length)).toString("latin1");
  const digits = /^ *([0-7]*)[ \0]*$/.exec(text)?.[1];
  if (digits === undefined) throw tarErrors.malformed(`${what} of a tar entry is not a number`);
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** Sum of all bytes, those of the checksum itself counted as spaces. */
function sumOf(block: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index < BLOCK_LENGTH; index++) {
    sum += index >= CHECKSUM_AT && index < CHECKSUM_END ? 0x20 : (block[index] ?? 0);
  }
  return sum;
}

/** Takes away a leading "./" and a trailing "/", and refuses what would lead elsewhere. */
function safePath(raw: Buffer): Buffer {
  const text = raw.toString("latin1");
  const path = text.replace(/^(?:\.\/)+/, "").replace(/\/$/, "");
  const bad = path.split("/").some((part) => part === "" || part === "." || part === "..");
  if (bad) throw tarErrors.refused(`tar entry with the name ${JSON.stringify(text)}`);
  return Buffer.from(path, "latin1");
}

/** True for the blocks of zeros that end an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/**
 * Reads one header block of 512 bytes.
 * @throws TAR_MALFORMED, TAR_ENTRY_REFUSED
 */
export function parseTarHeader(block: Uint8Array, decodePath: (raw: Buffer) => string): TarEntry {
  if (numberField(block, CHECKSUM_AT, 8, "checksum") !== sumOf(block))
    throw tarErrors.malformed("checksum of a tar header does not match");
  const magic = Buffer.from(block.subarray(257, 265)).toString("latin1");
  if (magic !== "ustar\x0000" && magic !== "ustar  \0")
    throw tarErrors.malformed("tar header is not of the ustar format");
  const name = textField(block, 0, 100);
  const prefix = magic === "ustar\x0000" ? textField(block, 345, 155) : Buffer.alloc(0);
  const rawPath = safePath(prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from("/"), name]));
  const path = decodePath(rawPath);
  const kind = kinds[String.fromCharCode(block[156] ?? 0)];
  if (kind === undefined)
    throw tarErrors.refused(`tar entry of kind ${block[156] ?? 0} with the name ${JSON.stringify(path)}`);
  const size = numberField(block, 124, 12, "size");
  if (kind !== "file" && size !== 0)
    throw tarErrors.malformed(`tar entry ${JSON.stringify(path)} is no file but has a body`);
  const entry = {
    path,
    rawPath,
    kind,
    mode: numberField(block, 100, 8, "mode") & 0o7777,
    size,
    modified: numberField(block, 136, 12, "time"),
  };
  if (kind !== "symlink") return entry;
  const rawLinkTarget = textField(block, 157, 100);
  if (rawLinkTarget.length === 0)
    throw tarErrors.malformed(`symbolic link ${JSON.stringify(path)} in a tar archive points nowhere`);
  return { ...entry, rawLinkTarget, linkTarget: decodePath(rawLinkTarget) };
}
