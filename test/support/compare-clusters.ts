import type { Cluster } from "./postgres-cluster.ts";

/** One line a fact: "<database> <kind> <name> <value>", sorted, so that a plain diff of two texts is readable. */
export type LogicalDigest = readonly string[];

/** Queries that yield (name, value) rows for one database besides its tables. */
const DATABASE_FACTS: Readonly<Record<string, string>> = {
  sequence: `SELECT format('%I.%I', schemaname, sequencename),
                    format('last %s start %s by %s', coalesce(last_value::text, 'unused'), start_value, increment_by)
               FROM pg_sequences`,
  "large object": `SELECT l.oid::text, coalesce(md5(string_agg(p.data, ''::bytea ORDER BY p.pageno)), 'empty')
                     FROM pg_largeobject_metadata l LEFT JOIN pg_largeobject p ON p.loid = l.oid GROUP BY l.oid`,
  index: "SELECT format('%I.%I', schemaname, indexname), indexdef FROM pg_indexes WHERE schemaname NOT IN ('pg_catalog', 'pg_toast')",
  view: "SELECT format('%I.%I', schemaname, viewname), md5(definition) FROM pg_views WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
  function: `SELECT p.oid::regprocedure::text, md5(p.prosrc) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
              WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')`,
};

const CLUSTER_FACTS: Readonly<Record<string, string>> = {
  role: `SELECT rolname, format('super %s login %s replication %s md5 %s', rolsuper, rolcanlogin, rolreplication, md5(coalesce(rolpassword, '')))
           FROM pg_authid WHERE rolname NOT LIKE 'pg\\_%'`,
  member: "SELECT format('%s of %s', m.member::regrole, m.roleid::regrole), m.admin_option::text FROM pg_auth_members m",
  database: "SELECT datname, format('owner %s encoding %s', datdba::regrole, encoding) FROM pg_database",
  tablespace: "SELECT spcname, format('owner %s', spcowner::regrole) FROM pg_tablespace",
};

const TABLES = `
  SELECT format('%I.%I', n.nspname, c.relname),
         format('%s columns %s', CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'table' END, (
           SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
             FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)),
         coalesce((
           SELECT string_agg(format('t.%I', a.attname), ', ' ORDER BY array_position(i.indkey::int2[], a.attnum))
             FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = c.oid AND i.indisprimary), 't::text')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`;

/**
 * Everything that a user put into a cluster, as text: of every table the columns, the number of rows and a hash over
 * all rows (ordered by primary key, or by the row's text where there is none), and sequences, large objects, indexes,
 * views, functions, roles, databases, tablespaces. Two clusters are logically equal when these texts are.
 */
export async function logicalDigest(cluster: Cluster): Promise<LogicalDigest> {
  const lines: string[] = [];
  for (const [kind, query] of Object.entries(CLUSTER_FACTS)) {
    for (const [name, value] of await cluster.sql(query)) lines.push(`cluster ${kind} ${name ?? ""} ${value ?? ""}`);
  }
  const databases = await cluster.sql("SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1");
  for (const [database = ""] of databases) {
    for (const [kind, query] of Object.entries(DATABASE_FACTS)) {
      const rows = await cluster.sql(query, { database });
      for (const [name, value] of rows) lines.push(`${database} ${kind} ${name ?? ""} ${value ?? ""}`);
    }
    for (const [table = "", columns = "", order = ""] of await cluster.sql(TABLES, { database })) {
      // A hash a row first: the server's string of all rows would end at one gigabyte.
      const [row] = await cluster.sql(
        `SELECT count(*), coalesce(md5(string_agg(md5(r), '')), 'empty') FROM (SELECT t::text AS r FROM ${table} t ORDER BY ${order}) AS rows`,
        { database },
      );
      lines.push(`${database} ${columns} of ${table}: ${row?.[0] ?? ""} rows, hash ${row?.[1] ?? ""}`);
    }
  }
  return lines.sort();
}

/** The facts that only one side has: "- expected" and "+ found" lines; empty when both are equal. */
export function differences(expected: LogicalDigest, found: LogicalDigest): string[] {
  const right = new Set(found);
  const left = new Set(expected);
  return [
    ...expected.filter((line) => !right.has(line)).map((line) => `- ${line}`),
    ...found.filter((line) => !left.has(line)).map((line) => `+ ${line}`),
  ].sort((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1));
}

/** Fails with a readable list unless the cluster holds exactly what the digest says. */
export async function expectSameContents(expected: LogicalDigest, cluster: Cluster): Promise<void> {
  const list = differences(expected, await logicalDigest(cluster));
  if (list.length > 0) throw new Error(`the contents differ (- expected, + found):\n${list.join("\n")}`);
}
