import type { ErrorDetails, ErrorFactory, MonetaError } from "../common/index.ts";
import type { ServerNotice } from "./control-message.ts";
import { replicationErrors } from "./errors.ts";

/** SQLSTATE classes and codes that mean "not now" (PostgreSQL manual, appendix "Error Codes"). */
const unavailable = /^(?:08...|53...|57P0[1-4]|57014|40001|40P01|55P03)$/;

/** xlogreader and walsender, in the server's language, so this helps where messages are English. */
const removedSegment = /^requested WAL segment \S+ has already been removed$/;

/** "File not found" (undefined_file). */
const missingFile = "58P01";

/** The catalogue entry for an error that the server sent. */
function factoryOf(notice: ServerNotice, streamsWal: boolean): ErrorFactory {
  const { sqlstate, message } = notice;
  if (sqlstate.startsWith("28") || sqlstate === "3D000") return replicationErrors.authenticationFailed;
  if (sqlstate === "55006" && message.includes("slot")) return replicationErrors.slotActive;
  // Of a stream of WAL the missing file is a segment, whatever language that is said in. When the segment goes while it
  // is being read, the code is that of whatever errno was last.
  if ((streamsWal && sqlstate === missingFile) || removedSegment.test(message)) return replicationErrors.walRemoved;
  return unavailable.test(sqlstate) ? replicationErrors.serverUnavailable : replicationErrors.serverError;
}

/**
 * An ErrorResponse as an error of the catalogue, with SQLSTATE, detail and hint of the server in its details.
 * @param streamsWal it answers a request for WAL
 */
export function serverError(notice: ServerNotice, streamsWal = false): MonetaError {
  const { severity, sqlstate, message, detail, hint } = notice;
  const details: ErrorDetails = {
    sqlstate,
    severity,
    ...(detail === undefined ? {} : { serverDetail: detail }),
    ...(hint === undefined ? {} : { serverHint: hint }),
  };
  const more = detail === undefined ? "" : ` (${detail})`;
  return factoryOf(notice, streamsWal)(`server says: ${message}${more}`, details);
}
