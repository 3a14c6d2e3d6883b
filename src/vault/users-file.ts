/**
 * The users and admins files, exchangeable with pgmoneta's: one `name:blob` a line, blob = base64 of
 * salt ‖ IV ‖ AES-256-GCM ciphertext ‖ tag under the master key, whatever `encryption` says; `#` and `;`
 * begin a comment. Lines that are not touched stay as they are. The role of an admin is sealed with the password
 * (`sealed-entry.ts`).
 */
import { open, readFile, realpath, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { lockOpenFile, MonetaError, writeFileDurably } from "../common/index.ts";
import { openMessage, sealMessage, type MasterKey } from "../encryption/index.ts";
import { decodeBase64 } from "./base64.ts";
import { vaultErrors } from "./errors.ts";
import { checkPassword } from "./password.ts";
import { checkSealedFile, statIfThere } from "./permissions.ts";
import { entryText, readEntryText, type SealedEntry } from "./sealed-entry.ts";
import type { Role } from "../auth/index.ts";

const cipher = "aes-256-gcm";
/** Salt, IV and tag without any ciphertext. */
const shortestBlob = 16 + 12 + 16;
/** pgmoneta reads no longer one. */
const longestName = 127;

interface Entry {
  readonly name: string;
  readonly blob: Buffer;
  /** Counted from 1. */
  readonly line: number;
}

/** A users or admins file in memory; nothing is decrypted yet. */
export interface UsersFile {
  readonly path: string;
  /** False when there is no file yet. */
  readonly exists: boolean;
  readonly lines: readonly string[];
  readonly entries: readonly Entry[];
}

function damaged(path: string, line: number, what: string, cause?: unknown): MonetaError {
  return vaultErrors.entriesDamaged(`${path}:${line}: ${what}`, { path, line }, cause);
}

function parse(path: string, text: string): UsersFile {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  const entries: Entry[] = [];
  for (const [index, content] of lines.entries()) {
    const trimmed = content.trim();
    const line = index + 1;
    if (trimmed === "" || trimmed.startsWith("#") || trimmed.startsWith(";")) continue;
    const colon = trimmed.indexOf(":");
    const name = trimmed.slice(0, Math.max(colon, 0)).trim();
    const blob = decodeBase64(trimmed.slice(colon + 1).trim());
    if (name === "" || blob === undefined || blob.length < shortestBlob)
      throw damaged(path, line, "expected name:base64 of an encrypted password");
    const earlier = entries.find((entry) => entry.name === name);
    if (earlier !== undefined)
      throw damaged(path, line, `expected each name once, but ${name} stands in line ${earlier.line} already`);
    entries.push({ name, blob, line });
  }
  return { path, exists: true, lines, entries };
}

/**
 * Reads a users or admins file without decrypting it; a file that is not there has no entries.
 * Throws `UNSAFE_PERMISSIONS` or `USERS_FILE_DAMAGED`, the latter naming the line.
 */
export async function openUsersFile(path: string): Promise<UsersFile> {
  const stats = await statIfThere(path);
  if (stats === undefined) return { path, exists: false, lines: [], entries: [] };
  checkSealedFile(path, stats);
  try {
    return parse(path, await readFile(path, "utf8"));
  } catch (error) {
    if (error instanceof MonetaError) throw error;
    throw vaultErrors.unreadable(`"${path}" cannot be read`, { path }, error);
  }
}

/** The names in the order of the file. */
export function userNames(file: UsersFile): string[] {
  return file.entries.map(({ name }) => name);
}

/** Names and passwords of a users or admins file; a line that this master key does not open is `USERS_FILE_DAMAGED`. */
export async function readUsers(path: string, masterKey: MasterKey): Promise<ReadonlyMap<string, string>> {
  return decryptUsers(await openUsersFile(path), masterKey);
}

/** The same for a file that was opened before; with several keys, as there are during a rotation, any of them may open a line. */
export function decryptUsers(file: UsersFile, masterKeys: MasterKey | readonly MasterKey[]): ReadonlyMap<string, string> {
  const keys = "material" in masterKeys ? [masterKeys] : masterKeys;
  return new Map(
    file.entries.map((entry) => {
      const { password, role } = readEntry(file, entry, keys);
      if (role !== undefined)
        throw damaged(file.path, entry.line, `${entry.name} has the role ${role}, and only a line of the admins file can have one`);
      return [entry.name, password];
    }),
  );
}

/** Somebody who may log in to remote management. */
export interface Admin {
  readonly password: string;
  readonly role: Role;
}

/** Names, passwords and roles of an admins file; a line without a role, as pgmoneta writes it, is that of an admin. */
export function decryptAdmins(file: UsersFile, masterKeys: readonly MasterKey[]): ReadonlyMap<string, Admin> {
  return new Map(
    file.entries.map((entry) => {
      const { password, role } = readEntry(file, entry, masterKeys);
      return [entry.name, { password, role: role ?? "admin" }];
    }),
  );
}

function readEntry(file: UsersFile, entry: Entry, keys: readonly MasterKey[]): SealedEntry {
  const read = readEntryText(decryptEntry(file, entry, keys).text);
  if (read === undefined)
    throw damaged(file.path, entry.line, `the line of ${entry.name} has a role that this version does not know`);
  return read;
}

function decryptEntry(
  { path }: UsersFile,
  { name, blob, line }: Entry,
  keys: readonly MasterKey[],
): { readonly text: string; readonly by: MasterKey } {
  let failure: unknown;
  for (const by of keys) {
    try {
      const plain = openMessage(by, cipher, blob);
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(plain), by };
    } catch (error) {
      failure ??= error;
    }
  }
  throw damaged(path, line, `the password of ${name} cannot be decrypted with this master key`, failure);
}

/**
 * Has every password encrypted by `wanted`, whichever of `known` it was encrypted by; other lines stay. The file is
 * replaced as a whole, or left alone when there is nothing to do. Returns the number of lines that were changed.
 */
export async function reencryptUsers(file: UsersFile, known: readonly MasterKey[], wanted: MasterKey): Promise<number> {
  const lines = [...file.lines];
  let changed = 0;
  for (const entry of file.entries) {
    const { text, by } = decryptEntry(file, entry, [wanted, ...known]);
    if (by === wanted) continue;
    lines[entry.line - 1] = sealedLine(entry.name, text, wanted);
    changed += 1;
  }
  if (changed > 0) await save(file, lines);
  return changed;
}

function checkName(name: string): void {
  const refuse = (what: string): MonetaError =>
    vaultErrors.userNameRefused(`the user name "${name}" ${what}`, { name });
  if (name === "") throw refuse("is empty");
  if (Buffer.byteLength(name) > longestName) throw refuse(`is longer than ${longestName} bytes`);
  if (/[:\p{Cc}]/u.test(name) || name !== name.trim() || /^[#;]/.test(name))
    throw refuse("cannot stand in a line of the file");
}

function sealedLine(name: string, text: string, masterKey: MasterKey): string {
  return `${name}:${sealMessage(masterKey, cipher, Buffer.from(text, "utf8")).toString("base64")}`;
}

function entryLine(name: string, entry: SealedEntry, masterKey: MasterKey): string {
  checkPassword(entry.password);
  return sealedLine(name, entryText(entry), masterKey);
}

async function save(file: UsersFile, lines: readonly string[]): Promise<UsersFile> {
  const text = lines.map((line) => `${line}\n`).join("");
  try {
    // A link stays a link: the file behind it is replaced.
    const real = (await statIfThere(file.path)) === undefined ? file.path : await realpath(file.path);
    await writeFileDurably(real, text, { mode: 0o600 });
  } catch (error) {
    throw vaultErrors.unreadable(`"${file.path}" cannot be written`, { path: file.path }, error);
  }
  return parse(file.path, text);
}

/** An editor that waits longer than this for another one is told so. Milliseconds. */
const lockWaitMs = 60_000;

/**
 * Runs an edit, from reading to saving, while no other process edits a users or admins file of the same directory. The
 * lock is one of the kernel on the directory: it leaves no file and ends with the process, however that ends. Throws
 * `USERS_FILE_LOCKED` when somebody else has it for too long.
 */
export function whileUsersFileIsOurs<T>(path: string, edit: () => Promise<T>): Promise<T> {
  return whileDirectoriesAreOurs([path], edit);
}

/** The same for the directories of several files, each taken once, in an order that two of us cannot wait for each other in. */
export async function whileDirectoriesAreOurs<T>(paths: readonly string[], edit: () => Promise<T>): Promise<T> {
  const directories = new Map<string, string>();
  for (const path of paths) {
    const real = (await statIfThere(path)) === undefined ? path : await realpath(path);
    // By its own path: the way to it may have links.
    const directory = await realpath(dirname(real)).catch(() => dirname(real));
    if (!directories.has(directory)) directories.set(directory, path);
  }
  const held: FileHandle[] = [];
  try {
    for (const [directory, path] of [...directories].sort(([a], [b]) => (a < b ? -1 : 1))) held.push(await lockDirectory(directory, path));
    return await edit();
  } finally {
    for (const handle of held) await handle.close();
  }
}

/** Opens and locks a directory; `path` is the file for whose sake. */
async function lockDirectory(directory: string, path: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(directory, "r");
  } catch (error) {
    throw vaultErrors.unreadable(`the directory of "${path}" cannot be opened`, { path }, error);
  }
  try {
    if (await lockOpenFile(handle.fd, { waitMs: lockWaitMs })) return handle;
    throw vaultErrors.locked(`"${path}" is being changed by somebody else`, { path });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Appends a user; one of that name must not be there (`USER_EXISTS`). The file is replaced durably, mode 0600. */
export async function addUser(
  file: UsersFile,
  name: string,
  password: string,
  masterKey: MasterKey,
  role?: Role,
): Promise<UsersFile> {
  checkName(name);
  if (file.entries.some((entry) => entry.name === name)) {
    throw vaultErrors.userExists(`the user "${name}" is in "${file.path}" already`, { name, path: file.path });
  }
  return save(file, [...file.lines, entryLine(name, { password, role }, masterKey)]);
}

function entryOf(file: UsersFile, name: string): Entry {
  const found = file.entries.find((entry) => entry.name === name);
  if (found === undefined)
    throw vaultErrors.userMissing(`the user "${name}" is not in "${file.path}"`, { name, path: file.path });
  return found;
}

/**
 * Replaces the password of a user that is there (`USER_MISSING`), and the role if one is given. Otherwise the role stays:
 * where the old line cannot be opened with this key, nobody knows what it was, and it has to be named.
 */
export async function editUser(
  file: UsersFile,
  name: string,
  password: string,
  masterKey: MasterKey,
  role?: Role,
): Promise<UsersFile> {
  const entry = entryOf(file, name);
  const kept = role ?? readEntry(file, entry, [masterKey]).role;
  return save(file, file.lines.with(entry.line - 1, entryLine(name, { password, role: kept }, masterKey)));
}

/** Gives a user that is there (`USER_MISSING`) another role; the password stays. */
export async function changeRole(file: UsersFile, name: string, role: Role, masterKey: MasterKey): Promise<UsersFile> {
  const entry = entryOf(file, name);
  const { password } = readEntry(file, entry, [masterKey]);
  return save(file, file.lines.with(entry.line - 1, entryLine(name, { password, role }, masterKey)));
}

/** Removes a user that is there (`USER_MISSING`). */
export async function removeUser(file: UsersFile, name: string): Promise<UsersFile> {
  const { line } = entryOf(file, name);
  return save(file, file.lines.toSpliced(line - 1, 1));
}
