/** Builds archives the way PostgreSQL's server does, and wrong ones on purpose. */
export interface HeaderFields {
  readonly name: Buffer | string;
  readonly mode?: number;
  readonly size?: number | Buffer;
  readonly type?: string;
  readonly link?: string;
  readonly magic?: string;
  readonly prefix?: string;
  readonly checksum?: number;
}

export function header(fields: HeaderFields): Buffer {
  const block = Buffer.alloc(512);
  Buffer.from(fields.name).copy(block, 0, 0, 100);
  block.write(`${(fields.mode ?? 0o600).toString(8).padStart(7, "0")}\0`, 100, "latin1");
  block.write("0001750\x000001750\0", 108, "latin1");
  const size = fields.size ?? 0;
  if (typeof size === "number") block.write(`${size.toString(8).padStart(11, "0")} `, 124, "latin1");
  else size.copy(block, 124);
  block.write("14715174000 ", 136, "latin1");
  block.write(fields.type ?? "0", 156, "latin1");
  block.write(fields.link ?? "", 157, "latin1");
  block.write(fields.magic ?? "ustar\x0000", 257, "latin1");
  block.write("postgres", 265, "latin1");
  block.write(fields.prefix ?? "", 345, "latin1");
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${(fields.checksum ?? sum).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** A file entry with its body, padded to blocks. */
export function file(name: Buffer | string, body: Buffer, mode = 0o600): Buffer {
  return Buffer.concat([
    header({ name, mode, size: body.length }),
    body,
    Buffer.alloc((512 - (body.length % 512)) % 512),
  ]);
}

/** Directories and links end with a slash in PostgreSQL's archives. */
export const directory = (name: string): Buffer => header({ name: `${name}/`, mode: 0o700, type: "5" });
export const symlink = (name: string, link: string): Buffer =>
  header({ name: `${name}/`, mode: 0o777, type: "2", link });

/** The two blocks that end an archive from PostgreSQL 15 on; 13 and 14 send none. */
export const closing = Buffer.alloc(1024);

/** A number of 12 bytes in base 256. */
export function base256(value: bigint): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64BE(value, 4);
  bytes[0] = 0x80;
  return bytes;
}
