/**
 * The master key file: pgmoneta's `~/.pgmoneta/master.key`, 0600 in a directory 0700, two lines:
 * base64 of the pass phrase and base64 of a salt of 16 bytes.
 */
import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { MonetaError, publishFile, syncDirectory } from "../common/index.ts";
import { deriveMasterKey, type MasterKey } from "../encryption/index.ts";
import { decodeBase64 } from "./base64.ts";
import { vaultErrors } from "./errors.ts";
import { checkPassword } from "./password.ts";
import { checkPrivateDirectory, checkPrivateFile, statIfThere } from "./permissions.ts";

const saltLength = 16;
/** pgmoneta's lower limit for the pass phrase. */
const shortestPassphrase = 8;

/** True when there is a file at `path`, whatever is in it. */
export async function masterKeyExists(path: string): Promise<boolean> {
  return (await statIfThere(path)) !== undefined;
}

/**
 * Reads the master key and derives the key material (about 0.2 s: do it once a process).
 * Throws `MASTER_KEY_MISSING`, `UNSAFE_PERMISSIONS` or `MASTER_KEY_DAMAGED`.
 */
export async function readMasterKey(path: string): Promise<MasterKey> {
  const stats = await statIfThere(path);
  if (stats === undefined) throw vaultErrors.masterKeyMissing(`the master key "${path}" is not there`, { path });
  const directory = dirname(path);
  const directoryStats = await statIfThere(directory);
  if (directoryStats !== undefined) checkPrivateDirectory(directory, directoryStats);
  checkPrivateFile(path, stats);
  let content: string;
  try {
    content = await readFile(path, "latin1");
  } catch (error) {
    throw vaultErrors.unreadable(`the master key "${path}" cannot be read`, { path }, error);
  }
  const [first, second, ...rest] = content.replace(/\r?\n$/, "").split(/\r?\n/);
  const passphrase = decodeBase64(first ?? "");
  const salt = decodeBase64(second ?? "");
  if (passphrase === undefined || passphrase.length === 0 || salt?.length !== saltLength || rest.length > 0) {
    throw vaultErrors.masterKeyDamaged(`the master key "${path}" does not have the two lines of a master key`, {
      path,
    });
  }
  return deriveMasterKey(passphrase, salt);
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

/**
 * Writes a new master key of this pass phrase, durably, and never over one that exists
 * (`MASTER_KEY_EXISTS`): a lost master key is lost data.
 */
export async function createMasterKey(path: string, passphrase: string): Promise<void> {
  checkPassword(passphrase, "the master key");
  if ([...passphrase].length < shortestPassphrase) {
    throw vaultErrors.passwordRefused(`the master key is shorter than ${shortestPassphrase} characters`);
  }
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
