/** Turns what lower floors say about bytes into the error of a stored file, by name. */
import { MonetaError } from "../common/index.ts";
import { compressionErrors } from "../compression/index.ts";
import { encryptionErrors } from "../encryption/index.ts";
import { pipelineErrors } from "./errors.ts";

/** Damage as STORED_FILE_DAMAGED with the file's name; anything else (a missing key, an I/O error) as it is. */
export function namedDamage(file: string, error: unknown): unknown {
  const damage = [compressionErrors.damaged, encryptionErrors.malformed, encryptionErrors.notAuthentic];
  if (!(error instanceof MonetaError) || !damage.some((known) => known.is(error))) return error;
  return pipelineErrors.damaged(`${file}: ${error.message}`, { file }, error);
}
