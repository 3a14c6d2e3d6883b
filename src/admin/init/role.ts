/** The role that Moneta connects as: made or completed by the administrator, then tried the way the daemon will use it. */
import { randomBytes } from "node:crypto";
import { createScramSecret, formatScramSecret } from "../../auth/index.ts";
import { messageOf } from "../../common/index.ts";
import { checkPrerequisites, connect, prerequisiteOfFailure, readServerFacts, sqlStateOf, type ConnectOptions, type Prerequisite, type ServerFacts } from "../../replication/index.ts";
import { adminErrors } from "../errors.ts";
import type { Wanted } from "./request.ts";
import { connectOptions } from "./server-look.ts";
import type { RoleStatement } from "./statements.ts";

/** The form in which PostgreSQL keeps a password: what is sent to a server ends in its log, and nobody gets the password out of this. */
export async function scramSecretOf(password: string): Promise<string> {
  return formatScramSecret(await createScramSecret(password, randomBytes(16)));
}

/**
 * Runs the statements that are needed, all or none of them, then each of the others; the refusals of those. Throws `ADMIN_ROLE_UNUSABLE`
 * with what the server said.
 */
export async function runStatements(options: ConnectOptions, statements: readonly RoleStatement[], signal: AbortSignal): Promise<Refusal[]> {
  const connection = await connect(options, signal);
  try {
    // Whatever somebody has put into the schemas of this database.
    await connection.query("SET search_path = pg_catalog", signal);
    // One message of the simple protocol is one transaction.
    const needed = statements.filter((statement) => statement.needed);
    if (needed.length > 0) await connection.query(needed.map(({ sql }) => sql).join(" "), signal);
    const refusals: Refusal[] = [];
    for (const { sql } of statements.filter((statement) => !statement.needed)) {
      await connection.query(sql, signal).catch((error: unknown) => {
        if (sqlStateOf(error) === undefined) throw error;
        refusals.push({ sql, reason: messageOf(error) });
      });
    }
    return refusals;
  } catch (error) {
    if (signal.aborted) throw error;
    throw adminErrors.roleUnusable(`the statements for the role were refused: ${messageOf(error)}`, {}, error);
  } finally {
    await connection.terminate();
  }
}

/** A statement that the server did not want, and that Moneta can do without. */
export interface Refusal {
  readonly sql: string;
  readonly reason: string;
}

/** What came of trying the role. */
export type Trial =
  | { readonly reached: true; readonly facts: ServerFacts; readonly prerequisites: readonly Prerequisite[] }
  /** `missing`: what the server lacks for it, where that can be told. */
  | { readonly reached: false; readonly error: unknown; readonly missing: Prerequisite | undefined };

/** Opens a replication connection as the role and asks what the daemon will ask. Rejects only when it was interrupted. */
export async function tryRole(wanted: Wanted, password: string | undefined, signal: AbortSignal): Promise<Trial> {
  const options = connectOptions(wanted, wanted.role, () => Promise.resolve(password));
  try {
    const facts = await readServerFacts(options, { slot: wanted.slot }, signal);
    return { reached: true, facts, prerequisites: checkPrerequisites(facts, { slot: wanted.slot, createSlot: true }) };
  } catch (error) {
    if (signal.aborted) throw error;
    return { reached: false, error, missing: prerequisiteOfFailure(error, wanted.role, wanted.host) };
  }
}
