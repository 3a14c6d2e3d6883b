/** Turns what lower floors say about bytes into the error of a stored file, by name. */
import { MonetaError } from "../common/index.ts";
import { compressionErrors } from "../compression/index.ts";
import { encryptionErrors } from "../encryption/index.ts";
import { pipelineErrors } from "./errors.ts";

/**
 * Damage as STORED_FILE_DAMAGED with the file's name, an unknown key as ENCRYPTION_KEY_UNKNOWN with it: the key's id stands in
 * the file, and may be what was changed. Anything else (an I/O error) as it is.
 */
export function namedDamage(file: string, error: unknown): unknown {
  if (!(error instanceof MonetaError)) return error;
  if (encryptionErrors.keyUnknown.is(error) && !error.message.includes(file))
    return encryptionErrors.keyUnknown(`${file}: ${error.message}`, { ...error.details, file }, error);
  const damage = [compressionErrors.damaged, encryptionErrors.malformed, encryptionErrors.notAuthentic];
  return damage.some((known) => known.is(error)) ? pipelineErrors.damaged(`${file}: ${error.message}`, { file }, error) : error;
}
