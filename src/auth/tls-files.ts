/** The PEM files of a TLS configuration, read as they are at the moment. */
import { readFile, stat } from "node:fs/promises";
import { messageOf } from "../common/index.ts";
import { authErrors } from "./errors.ts";

/** Content of a PEM file; undefined when none is named. `what` names it in the error `TLS_SETTINGS`. */
export async function readPem(path: string | undefined, what: string): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path);
  } catch (error) {
    throw authErrors.tlsSettings(`cannot read the ${what} ${path}: ${messageOf(error)}`, { path }, error);
  }
}

/** As libpq: a key that others can read is no secret; only root's may be readable by a group (like Debian's ssl-cert). */
export async function refuseOpenKey(path: string, what: string): Promise<void> {
  const { uid, mode } = await stat(path);
  if ((mode & (uid === 0 ? 0o037 : 0o077)) === 0) return;
  throw authErrors.tlsSettings(`${what} ${path} can be read by others: chmod 0600`, { path });
}
