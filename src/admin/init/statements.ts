/** The statements that make the role, and the lines of pg_hba.conf that let it in: pure, from what was found. */
import { quoteIdentifier, quoteLiteral } from "../../replication/index.ts";
import type { RoleLook } from "./server-look.ts";

export interface RoleStatement {
  /** With the password in the form in which PostgreSQL keeps it, from which nobody gets the password back. */
  readonly sql: string;
  /** False for what Moneta can do without: it is tried by itself. */
  readonly needed: boolean;
}

export interface RoleWish {
  readonly role: string;
  /** As it is; undefined when there is none. */
  readonly found: RoleLook | undefined;
  /** `SCRAM-SHA-256$…`; undefined leaves the password as it is. A role that is made has to have one. */
  readonly secret: string | undefined;
  /** The database in which SQL is run. */
  readonly database: string;
}

/** What is missing for the role, in the order in which it has to run; nothing when the role is as it should be. */
export function roleStatements({ role, found, secret, database }: RoleWish): RoleStatement[] {
  const name = quoteIdentifier(role);
  const password = secret === undefined ? "" : ` PASSWORD ${quoteLiteral(secret)}`;
  const grant: RoleStatement = { sql: `GRANT pg_read_all_settings TO ${name};`, needed: false };
  if (found === undefined) return [{ sql: `CREATE ROLE ${name} WITH LOGIN REPLICATION${password};`, needed: true }, grant];
  const rights = [...(found.login ? [] : ["LOGIN"]), ...(found.replication ? [] : ["REPLICATION"])];
  const options = rights.join(" ") + password;
  return [
    ...(options === "" ? [] : [{ sql: `ALTER ROLE ${name} WITH ${options.trim()};`, needed: true }]),
    ...(found.connects ? [] : [{ sql: `GRANT CONNECT ON DATABASE ${quoteIdentifier(database)} TO ${name};`, needed: false }]),
    ...(found.readsSettings ? [] : [grant]),
  ];
}

/** `10.0.0.7/32`, or words in its place where it is not known. */
function network(address: string | undefined): string {
  if (address === undefined) return "<address of this machine>/32";
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

/** A name as pg_hba.conf has it: quoted where it would be a keyword or a list. */
const hbaName = (name: string): string => (/^[a-z_][a-z0-9_]*$/.test(name) && !["all", "replication", "sameuser", "samerole", "samegroup"].includes(name) ? name : quoteIdentifier(name));

export interface HbaWish {
  readonly role: string;
  readonly database: string;
  readonly host: string;
  /** The server uses TLS, so that clear text need not be let in. */
  readonly encrypted: boolean;
  /** Our address as the server sees it. */
  readonly seenFrom: string | undefined;
}

/** The two lines of pg_hba.conf: one for the stream, one for SQL. */
export function hbaLines({ role, database, host, encrypted, seenFrom }: HbaWish): string[] {
  const local = host.startsWith("/");
  const kind = (local ? "local" : encrypted ? "hostssl" : "host").padEnd(8);
  const address = local ? "" : `${network(seenFrom)}  `;
  const names = ["replication", hbaName(database)];
  const column = Math.max(...names.map((name) => name.length));
  return names.map((name) => `${kind} ${name.padEnd(column)}  ${hbaName(role)}  ${address}scram-sha-256`);
}
