/**
 * Files of the database host by the functions of pgmoneta's extension, pgmoneta_ext, where it is installed:
 * `pgmoneta_ext_get_file(text)`, a whole file as base64, and `pgmoneta_ext_get_files(text)`, what is in a directory, in its
 * earlier form as an array of the paths of all files below it, in its later one as rows. Both answer NULL to a role that they
 * do not let read; the released ones let nobody but superusers.
 */
import { basename, dirname } from "node:path";
import type { Connection } from "./connection.ts";
import { replicationErrors, sqlStateOf } from "./errors.ts";
import { quoteIdentifier, quoteLiteral } from "./quoting.ts";

/** What the server says of a path, links followed. */
export interface ServerFileFacts {
  readonly directory: boolean;
  /** Bytes. */
  readonly size: number;
  /** As the server writes it; another one when the file was written meanwhile. */
  readonly modified: string;
  /** It was modified so lately that a write after this look could show the same: the server tells the time in whole seconds. */
  readonly fresh: boolean;
}

export interface ExtensionFiles {
  /** As text, in the words of the server. Throws SERVER_ERROR when there is no such file, or it is refused. */
  stat(path: string): Promise<ServerFileFacts>;
  /** Names in a directory as far as the extension tells: it is silent about what it may not read, and about empty directories. */
  list(path: string): Promise<readonly string[]>;
  /** The server reads the whole file for every piece of it. */
  read(path: string, offset: number, length: number): Promise<Buffer>;
}

/** Members of the extension alone: whoever may create functions must not be able to have one of his own called. */
const memberQuery = `
  SELECT n.nspname, f.proname, f.prorettype = 'pg_catalog.text[]'::pg_catalog.regtype
    FROM pg_catalog.pg_extension e
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
                               AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'
    JOIN pg_catalog.pg_proc f ON f.oid = d.objid
    JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
   WHERE e.extname = 'pgmoneta_ext' AND f.pronargs = 1 AND f.proargtypes[0] = 'pg_catalog.text'::pg_catalog.regtype
     AND f.proname IN ('pgmoneta_ext_get_file', 'pgmoneta_ext_get_files')
     AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(f.oid, 'EXECUTE')`;

/** In the directory of every cluster. */
const probe = "PG_VERSION";

/** Undefined where the extension is not installed in the connection's database, or gives the role nothing. */
export async function openExtensionFiles(connection: Connection, signal: AbortSignal): Promise<ExtensionFiles | undefined> {
  const ask = async (sql: string): Promise<readonly (readonly (string | null)[])[]> => (await connection.query(sql, signal)).at(-1)?.rows ?? [];
  const members = await ask(memberQuery);
  const named = (name: string) => members.find(([, own]) => own === name);
  const [one, many] = [named("pgmoneta_ext_get_file"), named("pgmoneta_ext_get_files")];
  if (one === undefined || many === undefined) return undefined;
  const call = ([schema, name]: readonly (string | null)[], path: string): string =>
    `${quoteIdentifier(schema ?? "")}.${quoteIdentifier(name ?? "")}(${quoteLiteral(path)}::pg_catalog.text)`;
  const isArray = many[2] === "t";
  const rowsOf = (path: string): string => (isArray ? `pg_catalog.unnest(${call(many, path)}) AS f(name)` : `${call(many, path)} AS f`);
  // Not merged with the query around it, which would call the function once for each mention.
  const contentOf = (path: string): string => `(SELECT pg_catalog.decode(${call(one, path)}, 'base64') AS b OFFSET 0) AS c`;

  const present = async (path: string): Promise<void> => {
    const [[isNull] = []] = await ask(isArray ? `SELECT ${call(many, path)} IS NULL` : `SELECT false FROM ${rowsOf(path)} LIMIT 1`);
    if (isNull === "t") throw refused(path);
  };
  const isDirectory = async (path: string): Promise<boolean> => {
    await present(path);
    if (isArray) return (await ask(`SELECT ${call(many, path)} = ARRAY[${quoteLiteral(path)}::pg_catalog.text]`))[0]?.[0] !== "t";
    const [parent, name] = [dirname(path), basename(path)];
    const [[listed] = []] = await ask(
      `SELECT f.is_dir FROM ${rowsOf(parent)} WHERE f.name IN (${quoteLiteral(path)}, ${quoteLiteral(name)}) LIMIT 1`,
    );
    if (typeof listed === "string") return listed === "t";
    try {
      // Only a directory has this entry.
      await present(`${path}/.`);
      return true;
    } catch (error) {
      if (sqlStateOf(error) === undefined) throw error;
      return false;
    }
  };
  const files: ExtensionFiles = {
    async stat(path) {
      if (await isDirectory(path)) return { directory: true, size: 0, modified: "", fresh: false };
      // It tells no time of change: the content itself says whether it is another one.
      const [[size, digest] = []] = await ask(
        `SELECT pg_catalog.length(b), pg_catalog.encode(pg_catalog.sha256(b), 'hex') FROM ${contentOf(path)}`,
      );
      if (size === null || size === undefined) throw refused(path);
      return { directory: false, size: Number(size), modified: digest ?? "", fresh: false };
    },
    async list(path) {
      const below = quoteLiteral(path === "/" ? path : `${path}/`);
      const name = `CASE WHEN pg_catalog.starts_with(f.name, ${below}) THEN pg_catalog.substr(f.name, pg_catalog.length(${below}) + 1) ELSE f.name END`;
      await present(path);
      const rows = await ask(`SELECT DISTINCT pg_catalog.split_part(${name}, '/', 1) COLLATE "C" FROM ${rowsOf(path)} ORDER BY 1`);
      return rows.map(([own]) => own ?? "").filter((own) => own !== "." && own !== "..");
    },
    async read(path, offset, length) {
      const [row] = await ask(`SELECT pg_catalog.encode(pg_catalog.substr(b, ${offset + 1}, ${length}), 'base64') FROM ${contentOf(path)}`);
      if (typeof row?.[0] !== "string") throw refused(path);
      return Buffer.from(row[0], "base64");
    },
  };
  try {
    const [[given] = []] = await ask(`SELECT ${call(one, probe)} IS NOT NULL`);
    return given === "t" ? files : undefined;
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error;
    return undefined;
  }
}

/** Its functions say it to the server's log alone. */
function refused(path: string): Error {
  return replicationErrors.serverError(`pgmoneta_ext gives nothing of "${path}" to this role`, { sqlstate: "42501" });
}
