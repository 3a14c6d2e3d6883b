import { open } from "node:fs/promises";
import { messageOf } from "../common/index.ts";
import { registerSecret } from "../log/index.ts";
import { replicationErrors } from "./errors.ts";

/** A pass file is a short list; more than this is a mistake in the path. */
const maximumBytes = 1024 * 1024;

/**
 * Looks up a password the way libpq does (PostgreSQL manual, "The Password File"): lines of
 * `host:port:database:user:password`, `*` for any, `\` before `:` and `\`, the first match counts, `#` begins a
 * comment line. A Unix socket is matched by its directory or by `localhost`, a replication connection by the
 * database `replication`. Undefined when there is no file or no line. Throws PASS_FILE_REFUSED when the file is
 * open to others: libpq only warns and goes on without, which looks like a wrong password.
 */
export async function readPassFile(
  path: string,
  host: string,
  port: number,
  database: string,
  user: string,
): Promise<string | undefined> {
  const content = await readPrivateFile(path);
  const hosts = host.startsWith("/") ? [host, "localhost"] : [host];
  for (const line of content?.split("\n") ?? []) {
    if (line.startsWith("#")) continue;
    const [forHost, forPort, forDatabase, forUser, password] = splitLine(line.replace(/\r$/, ""));
    if (password === undefined || password.text === "") continue;
    const matched =
      hosts.some((name) => matches(forHost, name)) &&
      matches(forPort, String(port)) &&
      matches(forDatabase, database) &&
      matches(forUser, user);
    if (!matched) continue;
    keepSecret(password.text);
    return password.text;
  }
  return undefined;
}

const kept = new Set<string>();

/** What a server says may come into the log, and repeat the password; it is asked for at every attempt to connect. */
function keepSecret(password: string): void {
  if (kept.has(password)) return;
  kept.add(password);
  registerSecret(password);
}

interface Field {
  readonly text: string;
  /** An unescaped `*` alone. */
  readonly any: boolean;
}

function matches(field: Field | undefined, value: string): boolean {
  return field !== undefined && (field.any || field.text === value);
}

function splitLine(line: string): Field[] {
  const fields: Field[] = [];
  let text = "";
  let escaped = false;
  for (let i = 0; i <= line.length; i++) {
    const character = line[i];
    if (character === undefined || character === ":") {
      fields.push({ text, any: text === "*" && !escaped });
      text = "";
      escaped = false;
    } else if (character === "\\" && i + 1 < line.length) {
      text += line[++i] ?? "";
      escaped = true;
    } else {
      text += character;
    }
  }
  return fields;
}

async function readPrivateFile(path: string): Promise<string | undefined> {
  let file;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw replicationErrors.passFileRefused(`cannot read pass file ${path}: ${messageOf(error)}`, { path }, error);
  }
  try {
    // On the open file, so that what is checked is what is read.
    const status = await file.stat();
    const mode = status.mode & 0o777;
    if (!status.isFile()) throw replicationErrors.passFileRefused(`pass file ${path} is not a plain file`, { path });
    if ((mode & 0o077) !== 0) {
      throw replicationErrors.passFileRefused(`pass file ${path} has mode 0${mode.toString(8)}, others can read it`, { path });
    }
    if (status.size > maximumBytes) throw replicationErrors.passFileRefused(`pass file ${path} is too long`, { path });
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}
