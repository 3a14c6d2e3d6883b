/** What a conversion is told, and what it tells. */
import { nearestLevel, type CompressionMethod } from "../compression/index.ts";
import type { Cipher, EncryptionMode, KeyRing, MasterKey } from "../encryption/index.ts";

export const conversions = ["compress", "decompress", "encrypt", "decrypt"] as const;
export type Conversion = (typeof conversions)[number];

export interface ConvertOptions {
  readonly conversion: Conversion;
  /** Absolute. */
  readonly file: string;
  /** For `compress`. */
  readonly compression: Exclude<CompressionMethod, "none">;
  readonly level?: number | undefined;
  /** For `encrypt`; tried first by `decrypt`, because pgmoneta's form does not name its cipher. */
  readonly cipher: Cipher;
  /** For `encrypt`; throws when there is none. */
  readonly masterKey: () => Promise<MasterKey>;
  /** For `decrypt`: the master key, and the data keys of our own form. */
  readonly keys: () => Promise<KeyRing>;
  /** Its files are not for converting; undefined where none is known. */
  readonly repository: string | undefined;
  /** Chunks in work at the same time. */
  readonly workers: number;
  /** Hears how far it is, at the beginning and with each piece that was read. */
  readonly onProgress?: ((progress: ConversionProgress) => void) | undefined;
}

/** How far a conversion is: the file is read once, and then what it became is read back, which counts as much again. */
export interface ConversionProgress {
  readonly phase: "convert" | "read back";
  /** Bytes of the file as it was. */
  readonly done: number;
  /** Twice its size. */
  readonly total: number;
  /** Path of what is written; gone when the conversion has ended. */
  readonly temporary: string;
}

export interface Converted {
  /** The new file; the one that was named is gone. */
  readonly destination: string;
  /** Bytes before and after. */
  readonly sourceSize: number;
  readonly size: number;
}

/**
 * The form in which a configuration stores, for a single file: somebody who compresses or encrypts a file wants that done
 * also where the configuration says `none`. A level beyond what a method knows becomes the nearest.
 */
export function formOf(
  method: CompressionMethod,
  wanted: number,
  encryption: EncryptionMode,
): Pick<ConvertOptions, "compression" | "level" | "cipher"> {
  const cipher = encryption === "none" ? "aes-256-gcm" : encryption;
  if (method === "none") return { compression: "zstd", cipher };
  return { compression: method, level: nearestLevel(method, wanted), cipher };
}
