/** The digests that a repository keeps of its files (`hash_algorithm`). */
import { createHash } from "node:crypto";
import type { HashAlgorithm } from "../pipeline/index.ts";
import type { RandomReader, Storage } from "../storage/index.ts";

export type { HashAlgorithm };

export const hashAlgorithms: readonly HashAlgorithm[] = ["sha256", "sha512"];

export function isHashAlgorithm(text: string): text is HashAlgorithm {
  return hashAlgorithms.some((hash) => hash === text);
}

/** Hexadecimal digits of a digest. */
export function digestLength(hash: HashAlgorithm): number {
  return hash === "sha256" ? 64 : 128;
}

const pieceSize = 1024 * 1024;

async function digestOf(reader: RandomReader, hash: HashAlgorithm, bytes: number): Promise<string> {
  const digest = createHash(hash);
  const end = Math.min(reader.size, bytes);
  for (let offset = 0; offset < end; offset += pieceSize) {
    digest.update(await reader.read(offset, Math.min(pieceSize, end - offset)));
  }
  return digest.digest("hex");
}

/** Digest (hexadecimal) of the stored bytes of the file at `path`, or of the first `bytes` of them, read piece by piece. */
export async function hashStoredFile(storage: Storage, path: string, hash: HashAlgorithm, bytes = Infinity): Promise<string> {
  const reader = await storage.openFile(path);
  try {
    return await digestOf(reader, hash, bytes);
  } finally {
    await reader.close();
  }
}
