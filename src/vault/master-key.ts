/**
 * The master key file: pgmoneta's `~/.pgmoneta/master.key`, 0600 in a directory 0700, two lines:
 * base64 of the pass phrase and base64 of a salt of 16 bytes.
 */
import { randomBytes } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { mkdir, open, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { MonetaError, publishFile, syncDirectory } from "../common/index.ts";
import { deriveMasterKey, type MasterKey } from "../encryption/index.ts";
import { decodeBase64 } from "./base64.ts";
import { vaultErrors } from "./errors.ts";
import { checkPassword } from "./password.ts";
import { checkPrivateDirectory, checkPrivateFile, statIfThere } from "./permissions.ts";

/** A master key with what tells whether its file was replaced since. */
export interface StoredMasterKey extends MasterKey {
  /** Of the file that it was read from. */
  readonly print: string;
}

const saltLength = 16;
/** pgmoneta's lower limit for the pass phrase. */
const shortestPassphrase = 8;

/** True when there is a file at `path`, whatever is in it. */
export async function masterKeyExists(path: string): Promise<boolean> {
  return (await statIfThere(path)) !== undefined;
}

const printFrom = ({ dev, ino, size, mtimeNs }: BigIntStats): string => [dev, ino, size, mtimeNs].join(" ");

/** What changes whenever the file at `path` is replaced; undefined where there is none that can be seen. */
export async function printOfMasterKey(path: string): Promise<string | undefined> {
  try {
    return printFrom(await stat(path, { bigint: true }));
  } catch {
    // What is wrong shows, and is said, when it is read.
    return undefined;
  }
}

/** The content of the file at `path`, which only its owner can have read, and its print. */
async function readPrivately(path: string): Promise<{ readonly content: string; readonly print: string }> {
  const stats = await statIfThere(path);
  if (stats === undefined) throw vaultErrors.masterKeyMissing(`the master key "${path}" is not there`, { path });
  const directory = dirname(path);
  const directoryStats = await statIfThere(directory);
  if (directoryStats !== undefined) checkPrivateDirectory(directory, directoryStats);
  checkPrivateFile(path, stats);
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    return { print: printFrom(await handle.stat({ bigint: true })), content: await handle.readFile("latin1") };
  } catch (error) {
    throw vaultErrors.unreadable(`the master key "${path}" cannot be read`, { path }, error);
  } finally {
    await handle?.close();
  }
}

/** The two lines of a master key file. */
export interface MasterKeyLines {
  readonly passphrase: Buffer;
  readonly salt: Buffer;
  readonly print: string;
}

/** Reads the file of a master key without deriving anything. Throws as `readMasterKey` does. */
export async function readMasterKeyLines(path: string): Promise<MasterKeyLines> {
  const { content, print } = await readPrivately(path);
  const [first, second, ...rest] = content.replace(/\r?\n$/, "").split(/\r?\n/);
  const passphrase = decodeBase64(first ?? "");
  const salt = decodeBase64(second ?? "");
  if (passphrase === undefined || passphrase.length === 0 || salt?.length !== saltLength || rest.length > 0) {
    throw vaultErrors.masterKeyDamaged(`the master key "${path}" does not have the two lines of a master key`, {
      path,
    });
  }
  return { passphrase, salt, print };
}

/**
 * Reads the master key and derives the key material (about 0.2 s: do it once a process).
 * Throws `MASTER_KEY_MISSING`, `UNSAFE_PERMISSIONS` or `MASTER_KEY_DAMAGED`.
 */
export async function readMasterKey(path: string): Promise<StoredMasterKey> {
  const { passphrase, salt, print } = await readMasterKeyLines(path);
  return { ...(await deriveMasterKey(passphrase, salt)), print };
}

/** Creates the directory of the master key if it is missing, and refuses one that others may enter. */
async function ensurePrivateDirectory(directory: string): Promise<void> {
  if ((await statIfThere(directory)) === undefined) {
    try {
      await mkdir(directory, { mode: 0o700 });
      await syncDirectory(dirname(directory));
    } catch (error) {
      // Made by somebody else in this moment: looked at below like any other.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
  const stats = await statIfThere(directory);
  if (stats !== undefined) checkPrivateDirectory(directory, stats);
}

/** Refuses what cannot be a pass phrase (`PASSWORD_REFUSED`). */
export function checkPassphrase(passphrase: string): void {
  checkPassword(passphrase, "the master key");
  if ([...passphrase].length < shortestPassphrase) {
    throw vaultErrors.passwordRefused(`the master key is shorter than ${shortestPassphrase} characters`);
  }
}

/**
 * Writes a new master key of this pass phrase, durably, and never over one that exists
 * (`MASTER_KEY_EXISTS`): a lost master key is lost data.
 */
export async function createMasterKey(path: string, passphrase: string): Promise<void> {
  checkPassphrase(passphrase);
  if (await masterKeyExists(path))
    throw vaultErrors.masterKeyExists(`the master key "${path}" exists already`, { path });
  const content = `${Buffer.from(passphrase, "utf8").toString("base64")}\n${randomBytes(saltLength).toString("base64")}\n`;
  const temporary = `${path}.new-${randomBytes(6).toString("hex")}`;
  try {
    await ensurePrivateDirectory(dirname(path));
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.chmod(0o600);
      await handle.writeFile(content);
    } finally {
      await handle.close();
    }
    await publishFile(temporary, path);
  } catch (error) {
    // The error that led here is the one to tell; a leftover has a name that says what it is.
    await rm(temporary, { force: true }).catch(() => undefined);
    // Somebody else created it between the look and the link.
    if (await masterKeyExists(path))
      throw vaultErrors.masterKeyExists(`the master key "${path}" exists already`, { path }, error);
    if (error instanceof MonetaError) throw error;
    throw vaultErrors.unreadable(`the master key "${path}" cannot be written`, { path }, error);
  }
}
