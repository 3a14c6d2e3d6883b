/** The master key and the password of the role, found or made; nothing that exists is replaced. */
import { readFileSync } from "node:fs";
import { messageOf } from "../../common/index.ts";
import { registerSecret } from "../../log/index.ts";
import {
  addUser,
  createMasterKey,
  decryptUsers,
  editUser,
  generatePassword,
  masterKeyExists,
  openUsersFile,
  readMasterKey,
  refuseUnfinishedRotation,
  userNames,
  whileUsersFileIsOurs,
} from "../../vault/index.ts";
import { adminErrors } from "../errors.ts";
import type { LocalState } from "./local-state.ts";

/** Characters: more than 256 bits for either. */
const keyLength = 64;
const passwordLength = 48;

/** Makes the master key where there is none; true when it did. Throws `ADMIN_INIT_CONFLICT` where another one has been used. */
export async function ensureMasterKey({ masterKey, users }: LocalState): Promise<boolean> {
  if (await masterKeyExists(masterKey)) {
    await refuseUnfinishedRotation(masterKey);
    await readMasterKey(masterKey);
    return false;
  }
  const names = userNames(await openUsersFile(users));
  if (names.length > 0) {
    throw adminErrors.initConflict(`${users} has passwords (${names.join(", ")}), but the master key ${masterKey} that opens them is not there`, { path: masterKey });
  }
  await createMasterKey(masterKey, generatePassword(keyLength));
  return true;
}

/** The password of a role in the users file; undefined when it is not in there. The key must exist if it is. */
export async function storedPassword({ masterKey, users }: LocalState, role: string): Promise<string | undefined> {
  const file = await openUsersFile(users);
  if (!userNames(file).includes(role)) return undefined;
  const password = decryptUsers(file, await readMasterKey(masterKey)).get(role);
  if (password !== undefined) registerSecret(password);
  return password;
}

/** Stores a password: added, or, where the caller says so, in place of the one that is there. */
export async function storePassword({ masterKey, users }: LocalState, role: string, password: string, replace: boolean): Promise<void> {
  registerSecret(password);
  await whileUsersFileIsOurs(users, async () => {
    await refuseUnfinishedRotation(masterKey);
    const file = await openUsersFile(users);
    const there = userNames(file).includes(role);
    await (there && replace ? editUser : addUser)(file, role, password, await readMasterKey(masterKey));
  });
}

/** A password that nobody has to type. */
export function newPassword(): string {
  const password = generatePassword(passwordLength);
  registerSecret(password);
  return password;
}

/** The first line of a file with a password. Throws `ADMIN_USAGE`. */
export function passwordFrom(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw adminErrors.usage(`the file with a password, ${path}, cannot be read: ${messageOf(error)}`, { path }, error);
  }
  const [password = ""] = text.split(/\r?\n/);
  if (password === "") throw adminErrors.usage(`the file with a password, ${path}, begins with an empty line`, { path });
  registerSecret(password);
  return password;
}
