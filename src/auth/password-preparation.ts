import { createRequire } from "node:module";
import type * as Library from "@mongodb-js/saslprep";

/** Its tables of Unicode take a process 3 MB, which nearly none needs: loaded with the first password that does. */
const load = (): typeof Library => createRequire(import.meta.url)("@mongodb-js/saslprep") as typeof Library;

/** Printable ASCII: SASLprep neither maps nor prohibits any of it (RFC 4013, section 2). */
const unchanged = /^[ -~]*$/;

/**
 * A password as SCRAM hashes it: SASLprep (RFC 4013), and the raw text where that refuses it, because
 * PostgreSQL does the same (`pg_saslprep` in its common code) and a password set there must work here.
 */
export function preparePassword(password: string): string {
  if (unchanged.test(password)) return password;
  try {
    const prepared = load().saslprep(password);
    return prepared === "" ? password : prepared;
  } catch {
    // Prohibited characters: PostgreSQL takes the bytes as they are, so must we.
    return password;
  }
}
