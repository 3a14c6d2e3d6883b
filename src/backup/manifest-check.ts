/**
 * Does what was stored match the server's manifest, file for file? Both sides are summed up as a multiset of
 * (path, size, CRC-32C): one SHA-256 a file, added modulo 2^256, so that memory does not grow with the number of
 * files. Only when the sums differ are both lists read again, in portions, to name what differs.
 */
import { hash } from "node:crypto";
import { pathToBytes, type ManifestFile } from "../postgres/index.ts";
import { backupErrors } from "./errors.ts";

/** One file as one side knows it. */
export interface CheckedFile {
  /** As in the manifest: relative to the data directory, tablespaces below `pg_tblspc/<oid>/`. */
  readonly path: string;
  readonly size: number;
  /** CRC-32C of the plain bytes. */
  readonly crc32c: number;
}

export interface FileSum {
  add(file: CheckedFile): void;
  readonly files: number;
  equals(other: FileSum): boolean;
  /** Hexadecimal. */
  readonly value: string;
}

const limbs = 8;

/** In one call: a hash object for each of a million files costs more than the hashing. */
const sha256 = (bytes: Uint8Array): Buffer => hash("sha256", bytes, "buffer");

export function createFileSum(): FileSum {
  const sum = new Uint32Array(limbs);
  let files = 0;
  const sumObject: FileSum = {
    add({ path, size, crc32c }) {
      const digest = sha256(Buffer.concat([pathToBytes(path), Buffer.from(`\0${size}\0${crc32c}`, "latin1")]));
      let carry = 0;
      for (let limb = 0; limb < limbs; limb += 1) {
        const total = (sum[limb] ?? 0) + digest.readUInt32LE(limb * 4) + carry;
        sum[limb] = total >>> 0;
        carry = total > 0xffff_ffff ? 1 : 0;
      }
      files += 1;
    },
    get files() {
      return files;
    },
    get value() {
      return Buffer.from(sum.buffer).toString("hex");
    },
    equals: (other) => other.files === files && other.value === sumObject.value,
  };
  return sumObject;
}

/** CRC-32C of a manifest entry (its four bytes, lowest first) as a number; throws BACKUP_MISMATCH for another algorithm. */
export function manifestCrc(file: ManifestFile): number {
  if (file.checksumAlgorithm !== "CRC32C" || file.checksum === undefined) {
    throw backupErrors.mismatch(`the server's manifest has no CRC-32C for "${file.path}"`, { path: file.path });
  }
  return Buffer.from(file.checksum, "hex").readUInt32LE(0);
}

/** The same lists once more, as often as asked. */
export interface FileLists {
  /** Files of the server's manifest. */
  expected(onFile: (file: CheckedFile) => void): Promise<void>;
  /** Files as they were stored. */
  found(onFile: (file: CheckedFile) => void): Promise<void>;
}

const filesAPortion = 50_000;
const namedDifferences = 10;

/** The first differences in words; reads both lists once for every 50,000 files, and is only called when something is wrong. */
export async function nameDifferences(lists: FileLists, fileCount: number): Promise<string[]> {
  const portions = Math.max(1, Math.ceil(fileCount / filesAPortion));
  const portionOf = (path: string): number => sha256(pathToBytes(path)).readUInt32LE(0) % portions;
  const differences: string[] = [];
  const name = (text: string): void => {
    if (differences.length < namedDifferences) differences.push(text);
  };
  for (let portion = 0; portion < portions && differences.length < namedDifferences; portion += 1) {
    const expected = new Map<string, CheckedFile>();
    await lists.expected((file) => {
      if (portionOf(file.path) === portion) expected.set(file.path, file);
    });
    await lists.found((file) => {
      if (portionOf(file.path) !== portion) return;
      const wanted = expected.get(file.path);
      expected.delete(file.path);
      if (wanted === undefined) name(`"${file.path}" is not in the server's manifest`);
      else if (wanted.size !== file.size) name(`"${file.path}" has ${file.size} bytes instead of ${wanted.size}`);
      else if (wanted.crc32c !== file.crc32c) name(`"${file.path}" has other content than the server sent`);
    });
    for (const path of expected.keys()) name(`"${path}" did not arrive`);
  }
  return differences;
}
