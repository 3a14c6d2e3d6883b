/**
 * Files of the database host, read through SQL: by pgmoneta's extension where it is installed and serves the role, else by
 * `pg_stat_file`, `pg_ls_dir` and `pg_read_binary_file` (PostgreSQL manual, "Generic File Access Functions"), which no
 * extension is needed for. What a role may read, the server decides.
 */
import type { ConnectOptions } from "./connect-options.ts";
import { connect, type Connection } from "./connection.ts";
import { replicationErrors } from "./errors.ts";
import { openExtensionFiles, type ExtensionFiles, type ServerFileFacts } from "./extension-files.ts";
import { quoteIdentifier, quoteLiteral } from "./quoting.ts";

export interface ServerFiles {
  /** Statements that let the role read files; empty when it may. */
  readonly missingRights: readonly string[];
  /** What has directories listed with certainty; undefined when they are. */
  readonly unsureOfDirectories: string | undefined;
  /** Throws SERVER_ERROR when there is no such file, or the server may not look at it. */
  stat(path: string): Promise<ServerFileFacts>;
  /** Names in a directory, without `.` and `..`. */
  list(path: string): Promise<readonly string[]>;
  /** Bytes of a file that had `size` when it was looked at, from `offset` on: `length` of them, or fewer where it ends. */
  read(path: string, offset: number, length: number, size: number): Promise<Buffer>;
  close(): Promise<void>;
}

const functions = ["pg_stat_file(text)", "pg_ls_dir(text)", "pg_read_binary_file(text, bigint, bigint)"] as const;

/** The extension has a whole file read for each piece of it: beyond this the server's own function is better. Bytes. */
const largestByExtension = 4 * 1024 * 1024;

/** Seconds by the server's clock. A time in whole seconds is up to one too early, and stamps come from a clock that can be a tick behind. */
const freshFor = 2;

/** Connects for SQL, whatever the options say. Throws what connecting throws. */
export async function openServerFiles(options: ConnectOptions, signal: AbortSignal): Promise<ServerFiles> {
  const connection = await connect({ ...options, replication: false, database: options.database ?? "postgres" }, signal);
  try {
    const missing = await missingRights(connection, signal);
    const own = missing.length === 0 ? serverFunctions(connection, signal) : undefined;
    const extension = await openExtensionFiles(connection, signal);
    const close = (): Promise<void> => connection.terminate();
    if (extension === undefined) return { ...serverFunctions(connection, signal), missingRights: missing, unsureOfDirectories: undefined, close };
    return { ...byExtension(extension, own), missingRights: [], unsureOfDirectories: own === undefined ? missing.join(" ") : undefined, close };
  } catch (error) {
    await connection.terminate();
    throw error;
  }
}

type FileFunctions = Pick<ServerFiles, "stat" | "list" | "read">;

/** What the extension leaves out without a word, the server's own functions know, if the role may call them. */
function byExtension(extension: ExtensionFiles, own: FileFunctions | undefined): FileFunctions {
  return {
    stat: (path) => (own ?? extension).stat(path),
    async list(path) {
      const told = await extension.list(path);
      return own === undefined ? told : [...new Set([...told, ...(await own.list(path))])];
    },
    async read(path, offset, length, size) {
      const bytes = await (own !== undefined && size > largestByExtension ? own : extension).read(path, offset, length, size);
      return checked(bytes, path, length);
    },
  };
}

function serverFunctions(connection: Connection, signal: AbortSignal): FileFunctions {
  const ask = async (sql: string): Promise<readonly (readonly (string | null)[])[]> => (await connection.query(sql, signal)).at(-1)?.rows ?? [];
  const text = (path: string): string => `${quoteLiteral(path)}::pg_catalog.text`;
  return {
    async stat(path) {
      const epoch = (moment: string): string => `pg_catalog.date_part('epoch', ${moment})`;
      const [row] = await ask(`SELECT isdir, size, ${epoch("modification")}, ${epoch("pg_catalog.clock_timestamp()")} FROM pg_catalog.pg_stat_file(${text(path)})`);
      const [directory, size, modified, now] = row ?? [];
      const age = Number(now) - Number(modified);
      const bytes = Number(size);
      if (!Number.isSafeInteger(bytes) || bytes < 0) throw replicationErrors.protocol(`server says that "${path}" has ${size ?? "no"} bytes`);
      return { directory: directory === "t", size: bytes, modified: modified ?? "", fresh: age >= 0 && age < freshFor };
    },
    async list(path) {
      return (await ask(`SELECT f FROM pg_catalog.pg_ls_dir(${text(path)}) f ORDER BY f COLLATE "C"`)).map(([name]) => name ?? "");
    },
    async read(path, offset, length) {
      const range = `${offset}::pg_catalog.int8, ${length}::pg_catalog.int8`;
      const [row] = await ask(`SELECT pg_catalog.encode(pg_catalog.pg_read_binary_file(${text(path)}, ${range}), 'base64')`);
      return checked(Buffer.from(row?.[0] ?? "", "base64"), path, length);
    },
  };
}

function checked(bytes: Buffer, path: string, length: number): Buffer {
  if (bytes.length > length) throw replicationErrors.protocol(`server sent ${bytes.length} bytes of "${path}" where ${length} were asked for`);
  return bytes;
}

/** In the database of the connection: rights on functions belong to one. */
async function missingRights(connection: Connection, signal: AbortSignal): Promise<readonly string[]> {
  const may = functions.map((name) => `pg_catalog.has_function_privilege(current_user, 'pg_catalog.${name}', 'EXECUTE')`);
  const member = "pg_catalog.pg_has_role(current_user, 'pg_read_server_files', 'USAGE')";
  const [result] = await connection.query(`SELECT current_user, ${[member, ...may].join(", ")}`, signal);
  const [role = "", reads, ...allowed] = result?.rows[0] ?? [];
  const name = quoteIdentifier(role ?? "");
  const denied = functions.filter((_, index) => allowed[index] !== "t");
  return [
    ...(reads === "t" ? [] : [`GRANT pg_read_server_files TO ${name};`]),
    ...(denied.length === 0 ? [] : [`GRANT EXECUTE ON FUNCTION ${denied.map((each) => `pg_catalog.${each}`).join(", ")} TO ${name};`]),
  ];
}
