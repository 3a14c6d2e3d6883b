/**
 * Files of the database host, read through SQL: `pg_stat_file`, `pg_ls_dir` and `pg_read_binary_file` (PostgreSQL manual,
 * "Generic File Access Functions"). No extension is needed; what a role may read, the server decides.
 */
import type { ConnectOptions } from "./connect-options.ts";
import { connect, type Connection } from "./connection.ts";
import { replicationErrors } from "./errors.ts";
import { quoteIdentifier, quoteLiteral } from "./quoting.ts";

/** What the server says of a path, links followed. */
export interface ServerFileFacts {
  readonly directory: boolean;
  /** Bytes. */
  readonly size: number;
  /** As the server writes it; another one when the file was written meanwhile. */
  readonly modified: string;
}

export interface ServerFiles {
  /** Statements that let the role read files; empty when it may. */
  missingRights(): Promise<readonly string[]>;
  /** Throws SERVER_ERROR when there is no such file, or the server may not look at it. */
  stat(path: string): Promise<ServerFileFacts>;
  /** Names in a directory, without `.` and `..`. */
  list(path: string): Promise<readonly string[]>;
  /** Bytes of a file from `offset` on: `length` of them, or fewer where it ends. */
  read(path: string, offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

const functions = ["pg_stat_file(text)", "pg_ls_dir(text)", "pg_read_binary_file(text, bigint, bigint)"] as const;

/** Connects for SQL, whatever the options say. Throws what connecting throws. */
export async function openServerFiles(options: ConnectOptions, signal: AbortSignal): Promise<ServerFiles> {
  const connection = await connect({ ...options, replication: false, database: options.database ?? "postgres" }, signal);
  const ask = async (sql: string): Promise<readonly (readonly (string | null)[])[]> => (await connection.query(sql, signal)).at(-1)?.rows ?? [];
  const text = (path: string): string => `${quoteLiteral(path)}::pg_catalog.text`;
  return {
    missingRights: () => missingRights(connection, signal),
    async stat(path) {
      const [row] = await ask(`SELECT isdir, size, pg_catalog.date_part('epoch', modification) FROM pg_catalog.pg_stat_file(${text(path)})`);
      const [directory, size, modified] = row ?? [];
      const bytes = Number(size);
      if (!Number.isSafeInteger(bytes) || bytes < 0) throw replicationErrors.protocol(`server says that "${path}" has ${size ?? "no"} bytes`);
      return { directory: directory === "t", size: bytes, modified: modified ?? "" };
    },
    async list(path) {
      return (await ask(`SELECT f FROM pg_catalog.pg_ls_dir(${text(path)}) f ORDER BY f COLLATE "C"`)).map(([name]) => name ?? "");
    },
    async read(path, offset, length) {
      const range = `${offset}::pg_catalog.int8, ${length}::pg_catalog.int8`;
      const [row] = await ask(`SELECT pg_catalog.encode(pg_catalog.pg_read_binary_file(${text(path)}, ${range}), 'base64')`);
      const bytes = Buffer.from(row?.[0] ?? "", "base64");
      if (bytes.length > length) throw replicationErrors.protocol(`server sent ${bytes.length} bytes of "${path}" where ${length} were asked for`);
      return bytes;
    },
    close: () => connection.terminate(),
  };
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
