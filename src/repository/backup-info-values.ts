/** Values of `backup.info`: how they are escaped, and the codes that pgmoneta writes for compression and encryption. */
import type { CompressionMethod } from "../compression/index.ts";
import type { EncryptionMode } from "../encryption/index.ts";
import type { BackupInfo } from "./backup-info.ts";

/** Order of pgmoneta's codes for a compression, from 0. */
const compressions: readonly CompressionMethod[] = ["none", "gzip", "zstd", "lz4", "bzip2"];
const sides: readonly BackupInfo["compressedBy"][] = ["nobody", "client", "server"];
const encryptions: readonly EncryptionMode[] = ["none", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm"];

/** Low nibble the method, + 16 by the client, + 32 by the server. */
export function compressionCode(info: Pick<BackupInfo, "compression" | "compressedBy">): number {
  return info.compression === "none"
    ? 0
    : compressions.indexOf(info.compression) + 16 * sides.indexOf(info.compressedBy);
}

/** Undefined for a code that pgmoneta does not have. */
export function compressionFromCode(code: number): Pick<BackupInfo, "compression" | "compressedBy"> | undefined {
  const compression = compressions[code & 0x0f];
  const compressedBy = sides[code >> 4];
  if (compression === undefined || compressedBy === undefined) return undefined;
  return compression === "none" ? { compression, compressedBy: "nobody" } : { compression, compressedBy };
}

export function encryptionCode(mode: EncryptionMode): number {
  return encryptions.indexOf(mode);
}

export function encryptionFromCode(code: number): EncryptionMode | undefined {
  return encryptions[code];
}

/**
 * A value on one line of UTF-8: backslash doubled; control characters, line separators and the bytes of names outside
 * UTF-8 as `\uXXXX`.
 */
export function escapeValue(value: string): string {
  return value.replace(/[\\\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/gu, (character) =>
    character === "\\" ? "\\\\" : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The value that `escapeValue` wrote; undefined when it is not of that form. */
export function unescapeValue(escaped: string): string | undefined {
  if (/\\(?!\\|u[0-9a-f]{4})/.test(escaped.replaceAll("\\\\", ""))) return undefined;
  return escaped.replace(/\\(?:\\|u([0-9a-f]{4}))/g, (_, digits: string | undefined) =>
    digits === undefined ? "\\" : String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
