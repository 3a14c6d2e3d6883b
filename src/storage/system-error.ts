/** Errors of the operating system as entries of the catalogue, with what was attempted, where, and how many bytes. */
import type { ErrorFactory } from "../common/index.ts";
import { describeShortage, MonetaError, messageOf } from "../common/index.ts";
import { printablePath } from "../postgres/index.ts";
import { storageErrors } from "./errors.ts";

const factories: Readonly<Record<string, ErrorFactory>> = {
  ENOSPC: storageErrors.full,
  EDQUOT: storageErrors.full,
  EFBIG: storageErrors.full,
  EROFS: storageErrors.readOnly,
  EIO: storageErrors.inputOutput,
  EACCES: storageErrors.denied,
  EPERM: storageErrors.denied,
  ENOENT: storageErrors.notFound,
  EEXIST: storageErrors.exists,
  EMFILE: storageErrors.tooManyFiles,
  ENFILE: storageErrors.tooManyFiles,
  ELOOP: storageErrors.pathRefused,
  ENOTDIR: storageErrors.pathRefused,
};

/** The `code` of a system error, for example `ENOENT`; undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && code.startsWith("E") && !(error instanceof MonetaError) ? code : undefined;
}

/**
 * `error` as an error of the catalogue. `attempt` completes "could not …", for example `write`; `bytes` is the size of
 * what was being written or read. Errors that are of the catalogue already pass unchanged.
 */
export function storageError(error: unknown, attempt: string, path: string, bytes?: number): MonetaError {
  if (error instanceof MonetaError) return error;
  const code = systemCode(error);
  const make = (code === undefined ? undefined : factories[code]) ?? storageErrors.failed;
  const size = bytes === undefined ? "" : ` (${bytes} bytes)`;
  const shortage = describeShortage(error, path, bytes);
  const details = {
    path,
    attempt,
    ...shortage.details,
    ...(bytes === undefined ? {} : { bytes }),
    ...(code === undefined ? {} : { system: code }),
  };
  return make(`could not ${attempt} "${printablePath(path)}"${size}: ${messageOf(error)}${shortage.text}`, details, error);
}

/** Runs `call`; what it throws becomes an error of the catalogue. */
export async function attempting<T>(attempt: string, path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw storageError(error, attempt, path);
  }
}
