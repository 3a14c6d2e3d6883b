import { MonetaError } from "../common/index.ts";
import { postgresErrors } from "../postgres/index.ts";
import { sqlStateOf } from "./errors.ts";
import { failed, type Prerequisite } from "./prerequisite.ts";
import { quoteIdentifier } from "./quoting.ts";

/**
 * What is missing when the replication connection itself was refused, from the error that `connect` threw.
 * Undefined when the error says nothing about a prerequisite (an unreachable server, for example).
 */
export function prerequisiteOfFailure(error: unknown, user: string, host: string): Prerequisite | undefined {
  if (postgresErrors.versionUnsupported.is(error)) return failed("VERSION", "error", error.message);
  if (!(error instanceof MonetaError)) return undefined;
  const state = sqlStateOf(error);
  const role = quoteIdentifier(user);
  // The texts are compared in English: the server sends start-up errors in its own lc_messages, then only the code helps.
  if (state === "42501") {
    return failed("REPLICATION_ROLE", "error", `role ${role} may not replicate`, `ALTER ROLE ${role} WITH REPLICATION;`);
  }
  if (state === "28000" && /does not exist/.test(error.message)) {
    return failed("ROLE", "error", `role ${role} does not exist`, `CREATE ROLE ${role} WITH LOGIN REPLICATION PASSWORD '…';`);
  }
  if (state === "28000" && /not permitted to log in/.test(error.message)) {
    return failed("ROLE_LOGIN", "error", `role ${role} may not log in`, `ALTER ROLE ${role} WITH LOGIN;`);
  }
  if (state === "28000" && /client certificate/.test(error.message)) {
    const message = `server lets role ${role} in only with a client certificate that it trusts`;
    return failed("CLIENT_CERTIFICATE", "error", message, "tls_cert_file = … and tls_key_file = … in the server's section of pgmoneta.conf");
  }
  if (state === "28000") {
    const line = host.startsWith("/")
      ? `local replication ${role} scram-sha-256`
      : `hostssl replication ${role} <address of this machine>/32 scram-sha-256`;
    const message = `no line of pg_hba.conf lets role ${role} replicate from here`;
    return failed("HBA", "error", message, `${line}  # in pg_hba.conf, then SELECT pg_catalog.pg_reload_conf();`);
  }
  if (state === "28P01") {
    return failed("PASSWORD", "error", `password of role ${role} is wrong`, `ALTER ROLE ${role} WITH PASSWORD '…';`);
  }
  if (state === "53300") {
    const message = "server has no walsender to give: max_wal_senders is too low, or 0 because wal_level is minimal";
    const statement = "ALTER SYSTEM SET wal_level = 'replica'; ALTER SYSTEM SET max_wal_senders = 10; -- then restart PostgreSQL";
    return failed("MAX_WAL_SENDERS", "error", message, statement);
  }
  return undefined;
}

/**
 * The error of a refused replication connection with what puts it right at the end of its message and in
 * `details.statement`, so that whoever reports it names the remedy; any other error as it is.
 */
export function withRemedy(error: unknown, user: string, host: string): unknown {
  const statement = prerequisiteOfFailure(error, user, host)?.statement;
  if (statement === undefined || !(error instanceof MonetaError)) return error;
  return new MonetaError(error, `${error.message}; to put it right: ${statement}`, { ...error.details, statement }, error.cause);
}
