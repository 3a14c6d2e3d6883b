/**
 * What happens to bytes on their way to the storage, as a value: the forward pipeline, its reverse and the
 * suffix of the stored file are all derived from it. The order is fixed: compress, then encrypt.
 */
import { type CompressionMethod, compressionMethods, compressionSuffix } from "../compression/index.ts";
import { ENCRYPTION_SUFFIX, type EncryptionMode } from "../encryption/index.ts";

export interface PipelineSpec {
  readonly compression: CompressionMethod;
  /** Undefined: the method's standard level. */
  readonly level?: number | undefined;
  readonly encryption: EncryptionMode;
}

/** What a stored name says about its bytes; the header of the file says which cipher. */
export interface StoredName {
  readonly plainName: string;
  readonly compression: CompressionMethod;
  readonly encrypted: boolean;
}

/** What the name of a stored file ends with, for example ".zstd.aes". */
export function suffixOf(spec: Pick<PipelineSpec, "compression" | "encryption">): string {
  return compressionSuffix[spec.compression] + (spec.encryption === "none" ? "" : ENCRYPTION_SUFFIX);
}

/**
 * Takes a stored name apart. A file that PostgreSQL itself calls `something.gz` looks compressed by name alone
 * when it is stored as it is: where a backup's own records say how a file is stored, they decide, not the name.
 */
export function specFromName(name: string): StoredName {
  const encrypted = name.endsWith(ENCRYPTION_SUFFIX) && name.length > ENCRYPTION_SUFFIX.length;
  const rest = encrypted ? name.slice(0, -ENCRYPTION_SUFFIX.length) : name;
  for (const compression of compressionMethods) {
    const suffix = compressionSuffix[compression];
    if (suffix !== "" && rest.endsWith(suffix) && rest.length > suffix.length) {
      return { plainName: rest.slice(0, -suffix.length), compression, encrypted };
    }
  }
  return { plainName: rest, compression: "none", encrypted };
}
