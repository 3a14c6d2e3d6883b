/**
 * Writes a tar archive that every tar of the last decades reads: ustar headers, and before an entry that they cannot
 * describe an extended header of POSIX pax (IEEE Std 1003.1, "pax Interchange Format"). Synchronous and without I/O:
 * whoever writes the archive puts the blocks in order.
 */
import { isUtf8 } from "node:buffer";
import { tarErrors } from "./errors.ts";
import { BLOCK_LENGTH } from "./tar-header.ts";

/** Who the entries belong to; a tar that runs as root gives them to this account. */
export interface TarOwner {
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly group: string;
}

/** An entry to be written. Names are bytes; a directory's without the slash at its end. */
export interface TarMember {
  readonly path: Uint8Array;
  readonly kind: "file" | "directory" | "symlink";
  /** Permission bits. */
  readonly mode: number;
  /** Bytes of the body; 0 for whatever is no file. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly modified: number;
  /** Of a symbolic link, as it is to be written. */
  readonly linkTarget?: Uint8Array | undefined;
  readonly owner: TarOwner;
}

const NAME_LENGTH = 100;
/** The largest size that eleven octal digits hold, 8 GiB less one byte. */
const LARGEST_OCTAL = 0o77777777777;
const LARGEST_ID = 0o7777777;
const typeFlags = { file: "0", directory: "5", symlink: "2" } as const;

function octal(block: Buffer, at: number, length: number, value: number): void {
  block.write(value.toString(8).padStart(length - 1, "0"), at, length - 1, "latin1");
}

/** Base 256 with the first bit set, where octal digits do not suffice: GNU's way, which others read as well. */
function size(block: Buffer, value: number): void {
  if (value <= LARGEST_OCTAL) {
    octal(block, 124, 12, value);
    return;
  }
  block[124] = 0x80;
  block.writeBigUInt64BE(BigInt(value), 128);
}

interface Fields extends Omit<TarMember, "kind" | "linkTarget"> {
  readonly flag: string;
  readonly linkTarget: Uint8Array;
}

function ustarHeader({ path, flag, mode, size: bytes, modified, linkTarget, owner }: Fields): Buffer {
  const block = Buffer.alloc(BLOCK_LENGTH);
  block.set(path.subarray(0, NAME_LENGTH), 0);
  octal(block, 100, 8, mode & 0o7777);
  octal(block, 108, 8, owner.uid <= LARGEST_ID ? owner.uid : 0);
  octal(block, 116, 8, owner.gid <= LARGEST_ID ? owner.gid : 0);
  size(block, bytes);
  octal(block, 136, 12, Math.min(LARGEST_OCTAL, Math.max(0, Math.trunc(modified))));
  block.write("        ", 148, "latin1");
  block.write(flag, 156, "latin1");
  block.set(linkTarget.subarray(0, NAME_LENGTH), 157);
  block.write("ustar\x0000", 257, "latin1");
  block.write(owner.user, 265, 31, "utf8");
  block.write(owner.group, 297, 31, "utf8");
  octal(block, 329, 8, 0);
  octal(block, 337, 8, 0);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** `<length> <key>=<value>\n`, where the length counts its own digits too. */
function paxRecord(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`, "latin1"), value, Buffer.from("\n", "latin1")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length), "latin1"), rest]);
}

function paxRecords({ path, kind, size: bytes, linkTarget }: TarMember, name: Uint8Array): Buffer {
  const records: Buffer[] = [];
  const longName = name.length > NAME_LENGTH;
  const longTarget = linkTarget !== undefined && linkTarget.length > NAME_LENGTH;
  // Names in an extended header are UTF-8 unless it says otherwise.
  const foreign = (longName && !isUtf8(path)) || (longTarget && !isUtf8(linkTarget));
  if (foreign) records.push(paxRecord("hdrcharset", Buffer.from("BINARY", "latin1")));
  if (longName) records.push(paxRecord("path", name));
  if (longTarget) records.push(paxRecord("linkpath", linkTarget));
  if (kind === "file" && bytes > LARGEST_OCTAL) records.push(paxRecord("size", Buffer.from(String(bytes), "latin1")));
  return Buffer.concat(records);
}

/** Zeros that follow a body of so many bytes. */
export function tarPadding(bytes: number): Buffer {
  return Buffer.alloc((BLOCK_LENGTH - (bytes % BLOCK_LENGTH)) % BLOCK_LENGTH);
}

/** What ends an archive: two blocks of zeros. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK_LENGTH);
}

/**
 * The blocks that begin an entry: its header, with an extended one before it where it needs one. The body and its
 * padding follow.
 * @throws TAR_ENTRY_REFUSED for a name that no reader would unpack where it belongs
 */
export function tarHeader(member: TarMember): Buffer {
  const { kind, path, linkTarget = new Uint8Array(0) } = member;
  const text = Buffer.from(path).toString("latin1");
  const parts = text.split("/");
  if (text.includes("\0") || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw tarErrors.refused(`${JSON.stringify(text)} is no name for an entry of a tar archive`);
  }
  const name = kind === "directory" ? Buffer.concat([path, Buffer.from("/")]) : path;
  const { modified, mode, owner } = member;
  const header = ustarHeader({
    path: name,
    flag: typeFlags[kind],
    mode,
    size: kind === "file" ? member.size : 0,
    modified,
    linkTarget,
    owner,
  });
  const records = paxRecords(member, name);
  if (records.length === 0) return header;
  const extended = ustarHeader({
    path: Buffer.from("pax_header", "latin1"),
    flag: "x",
    mode: 0o600,
    size: records.length,
    modified,
    linkTarget: new Uint8Array(0),
    owner,
  });
  return Buffer.concat([extended, records, tarPadding(records.length), header]);
}
