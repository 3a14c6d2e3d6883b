/** What a file is called after its conversion: a suffix more, or one less. */
import { basename } from "node:path";
import { compressionMethods, compressionSuffix, type CompressionMethod } from "../compression/index.ts";
import { ENCRYPTION_SUFFIX } from "../encryption/index.ts";
import type { ConvertOptions } from "./convert-options.ts";
import { convertErrors } from "./errors.ts";

/** The compression that a name ends with; undefined for none. */
export function compressionOf(file: string): Exclude<CompressionMethod, "none"> | undefined {
  const ends = (suffix: string): boolean => file.endsWith(suffix) && basename(file).length > suffix.length;
  for (const method of compressionMethods) if (method !== "none" && ends(compressionSuffix[method])) return method;
  return undefined;
}

const isEncrypted = (file: string): boolean =>
  file.endsWith(ENCRYPTION_SUFFIX) && basename(file).length > ENCRYPTION_SUFFIX.length;

/** Path of the result. Throws CONVERT_NAME when the name speaks against the conversion. */
export function destinationOf({
  conversion,
  file,
  compression,
}: Pick<ConvertOptions, "conversion" | "file" | "compression">): string {
  const refuse = (why: string) => convertErrors.name(`"${file}" ${why}`, { path: file });
  const method = compressionOf(file);
  switch (conversion) {
    case "compress":
      if (isEncrypted(file)) throw refuse("is encrypted by its name, and would not become smaller");
      if (method !== undefined) throw refuse("is compressed already by its name");
      return file + compressionSuffix[compression];
    case "decompress":
      if (isEncrypted(file)) throw refuse("is encrypted by its name: decrypt it first");
      if (method === undefined) throw refuse("has none of the suffixes of a compressed file");
      return file.slice(0, -compressionSuffix[method].length);
    case "encrypt":
      if (isEncrypted(file)) throw refuse("is encrypted already by its name");
      return file + ENCRYPTION_SUFFIX;
    case "decrypt":
      if (!isEncrypted(file)) throw refuse(`does not end with ${ENCRYPTION_SUFFIX}`);
      return file.slice(0, -ENCRYPTION_SUFFIX.length);
  }
}
