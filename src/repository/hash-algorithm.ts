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

async function digestOf(reader: RandomReader, hash: HashAlgorithm): Promise<string> {
  const digest = createHash(hash);
  for (let offset = 0; offset < reader.size; offset += pieceSize) {
    digest.update(await reader.read(offset, pieceSize));
  }
  return digest.digest("hex");
}

/** Digest (hexadecimal) of the stored bytes of the file at `path`, read piece by piece. */
export async function hashStoredFile(storage: Storage, path: string, hash: HashAlgorithm): Promise<string> {
  const reader = await storage.openFile(path);
  try {
    return await digestOf(reader, hash);
  } finally {
    await reader.close();
  }
}
