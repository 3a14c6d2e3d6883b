/** What the system says about a segment file, as errors of the catalogue. */
import { describeShortage, isOutOfRoom, messageOf, type MonetaError } from "../common/index.ts";
import { walErrors } from "./errors.ts";

/** A write of `bytes` that failed: WAL_DISK_FULL or WAL_WRITE_FAILED. */
export function writeError(error: unknown, path: string, bytes: number): MonetaError {
  if (isOutOfRoom(error)) {
    const { text, details } = describeShortage(error, path, bytes);
    return walErrors.diskFull(`no space to write ${bytes} bytes to "${path}"${text}`, { path, bytes, ...details }, error);
  }
  return walErrors.writeFailed(`"${path}" could not be written: ${messageOf(error)}`, { path, bytes }, error);
}

/** A sync that failed, `what` completes "could not be …": WAL_DISK_FULL (delayed allocation) or WAL_SYNC_FAILED. */
export function syncError(error: unknown, path: string, what: string): MonetaError {
  const message = `"${path}" could not be ${what}: ${messageOf(error)}${describeShortage(error, path).text}`;
  return isOutOfRoom(error) ? walErrors.diskFull(message, { path }, error) : walErrors.syncFailed(message, { path }, error);
}
