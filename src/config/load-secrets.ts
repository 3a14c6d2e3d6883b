/** The part of loading that needs the master key: logins and passwords, and that there is a key to encrypt with. */
import { MonetaError } from "../common/index.ts";
import type { MasterKey } from "../encryption/index.ts";
import { vaultErrors } from "../vault/errors.ts";
import type * as Vault from "../vault/index.ts";
import type { StoredMasterKey, UsersFile } from "../vault/index.ts";
import type { Admins, ConfigProblem, Passwords } from "./configuration.ts";
import type { LocatedFiles } from "./locate-files.ts";
import { adminsOf, passwordsOf } from "./passwords.ts";

export interface Secrets {
  readonly users: Passwords;
  readonly admins: Admins;
  /** Undefined when there is none and nothing needs it. */
  readonly masterKey: StoredMasterKey | undefined;
  readonly problems: readonly ConfigProblem[];
}

/** What a command gets that reads no passwords. */
export const noSecrets: Secrets = {
  users: passwordsOf(new Map()),
  admins: adminsOf(new Map()),
  masterKey: undefined,
  problems: [],
};

/** An error of the vault as a problem of the configuration; anything else is none and goes up. */
function problemOf(error: unknown, file: string, line?: number, key?: string): ConfigProblem {
  if (!(error instanceof MonetaError)) throw error;
  const { line: found } = error.details;
  const at = typeof found === "number" ? found : line;
  const message = `${error.message.replace(`${file}:${at ?? ""}: `, "")}. ${error.hint}`;
  return { file, line: at, section: undefined, key, message };
}

/** The opened file, or the problem with it. */
async function openOr({ openUsersFile }: typeof Vault, path: string | undefined, problems: ConfigProblem[]): Promise<UsersFile | undefined> {
  if (path === undefined) return undefined;
  try {
    return await openUsersFile(path);
  } catch (error) {
    problems.push(problemOf(error, path));
    return undefined;
  }
}

/** What `decrypt` makes of the file; `without` where there is none, or a problem with it. */
function decryptOr<T extends Passwords>(
  decrypt: (file: UsersFile, masterKeys: readonly MasterKey[]) => T,
  file: UsersFile | undefined,
  masterKeys: readonly MasterKey[],
  problems: ConfigProblem[],
  without: T,
): T {
  if (file === undefined) return without;
  try {
    return decrypt(file, masterKeys);
  } catch (error) {
    problems.push(problemOf(error, file.path));
    return without;
  }
}

/**
 * Reads the users and admins files and the master key. The key is read whenever there is one, because what was
 * encrypted before must stay readable whatever is configured now.
 *
 * @param encrypting where encryption is asked for first, in the main file; undefined if nowhere
 */
export async function readSecrets(
  files: LocatedFiles,
  masterKeyFile: string,
  encrypting: { readonly line: number | undefined } | undefined,
): Promise<Secrets> {
  const problems: ConfigProblem[] = [];
  // Loaded by those who read passwords: the command line reads configurations too, and must start quickly.
  const vault = await import("../vault/index.ts");
  // At once: deriving it takes longer than all the rest.
  const deriving = vault.readMasterKeys(masterKeyFile);
  deriving.catch(() => undefined); // Heard of below.
  const users = await openOr(vault, files.users, problems);
  const admins = await openOr(vault, files.admins, problems);
  const needing = [users, admins].find((file) => file !== undefined && file.entries.length > 0);
  let keys: Awaited<typeof deriving>;
  try {
    keys = await deriving;
  } catch (error) {
    if (encrypting !== undefined) problems.push(problemOf(error, files.main, encrypting.line, "encryption"));
    if (needing !== undefined) problems.push(problemOf(error, needing.path));
    const unneeded = encrypting === undefined && needing === undefined;
    // One that is there but cannot be used is worth knowing even where nothing needs it today.
    if (unneeded && !vaultErrors.masterKeyMissing.is(error)) problems.push(problemOf(error, masterKeyFile));
    return { ...noSecrets, problems };
  }
  // While the key is rotated these files can be ahead of it.
  const all = [keys.current, ...(keys.next === undefined ? [] : [keys.next]), ...keys.former];
  return {
    users: decryptOr((file, by) => passwordsOf(vault.decryptUsers(file, by)), users, all, problems, noSecrets.users),
    admins: decryptOr((file, by) => adminsOf(vault.decryptAdmins(file, by)), admins, all, problems, noSecrets.admins),
    masterKey: keys.current,
    problems,
  };
}
