/** What the commands of moneta-admin do; how it is shown is `report.ts`. */
import type { Prompt } from "../common/index.ts";
import type { Role } from "../auth/index.ts";
import {
  addUser,
  changeRole,
  createMasterKey,
  decryptAdmins,
  editUser,
  masterKeyExists,
  openUsersFile,
  readMasterKey,
  refuseUnfinishedRotation,
  removeUser,
  userNames,
  vaultErrors,
  whileUsersFileIsOurs,
} from "../vault/index.ts";
import { adminErrors } from "./errors.ts";
import { choosePassword, type PasswordOptions } from "./password-source.ts";

/** The commands with pgmoneta's numbers (management header, field Command). */
export const adminCommands = {
  "master-key": 100,
  "user add": 101,
  "user edit": 102,
  "user del": 103,
  "user ls": 104,
  // Ours: pgmoneta-config has none.
  "conf init": 1100,
  "conf get": 1101,
  "conf set": 1102,
  "conf del": 1103,
  "conf ls": 1104,
  // Ours too.
  "user role": 1110,
  init: 1120,
} as const;
export type AdminCommand = keyof typeof adminCommands;
/** Those that work with the master key, or with files that it protects. */
export type VaultCommand = Exclude<AdminCommand, "init" | `conf ${string}`>;

export interface ActionOptions extends PasswordOptions {
  /** `-f`, the users or admins file. */
  readonly file: string | undefined;
  /** `-U`. */
  readonly user: string | undefined;
  readonly masterKeyFile: string;
  /** `--role`, or the argument of `user role`. */
  readonly role?: Role | undefined;
  /** `user ls --roles`. */
  readonly showRoles?: boolean | undefined;
}

export interface ActionResult {
  /** A sentence for people; empty where the list of users says it all. */
  readonly message: string;
  /** The users of the file afterwards; undefined for the master key. */
  readonly users: readonly string[] | undefined;
  /** The role of each of them, where that was asked for. */
  readonly roles?: ReadonlyMap<string, Role> | undefined;
  /** Only a password that was generated for a user: nobody else could tell it. */
  readonly generatedPassword: string | undefined;
  /** What a rotation did; undefined for everything else. */
  readonly rotation?: AdminRotation | undefined;
  /** What is printed as it is, after the message. */
  readonly lines?: readonly string[];
  /** The same for programs. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** A rotation of the master key, as programs are told of it. */
export interface AdminRotation {
  /** True when an earlier call had been cut off. */
  readonly resumed: boolean;
  readonly keys: number;
  readonly usersFiles: readonly string[];
  readonly leftOut: readonly string[];
  /** Where the old key is kept because of that. */
  readonly kept: string | undefined;
}

async function createKey(options: ActionOptions, prompt: Prompt): Promise<ActionResult> {
  const path = options.masterKeyFile;
  // Before anybody types a pass phrase in vain.
  if (await masterKeyExists(path))
    throw vaultErrors.masterKeyExists(`the master key "${path}" exists already`, { path });
  const { password } = await choosePassword(options, prompt, "Master key");
  await createMasterKey(path, password);
  return {
    message: `The master key is in ${path}. Keep a copy of that file elsewhere: without it nothing that is encrypted can be read again.`,
    users: undefined,
    generatedPassword: undefined,
  };
}

function fileOf(options: ActionOptions): string {
  if (options.file === undefined) throw adminErrors.usage("the users or admins file is missing: name it with -f");
  return options.file;
}

async function userOf(options: ActionOptions, prompt: Prompt): Promise<string> {
  return options.user ?? (await prompt.ask("User name: ")).trim();
}

async function setPassword(
  options: ActionOptions,
  prompt: Prompt,
  save: typeof addUser,
  done: string,
): Promise<ActionResult> {
  const path = fileOf(options);
  // Before anybody types a password in vain.
  await readMasterKey(options.masterKeyFile);
  await refuseUnfinishedRotation(options.masterKeyFile);
  const user = await userOf(options, prompt);
  const { password, generated } = await choosePassword(options, prompt, "Password");
  // Read only now, so that what happened to the file during the questions is not undone.
  const saved = await whileUsersFileIsOurs(path, async () => {
    // A line of the key that is being replaced, in a file that is another key's already, could be read by nobody.
    await refuseUnfinishedRotation(options.masterKeyFile);
    return save(await openUsersFile(path), user, password, await readMasterKey(options.masterKeyFile), options.role);
  });
  const role = options.role === undefined ? "" : ` with the role ${options.role}`;
  return {
    message: `The user ${user} ${done} ${path}${role}.`,
    users: userNames(saved),
    generatedPassword: generated ? password : undefined,
  };
}

async function deleteUser(options: ActionOptions, prompt: Prompt): Promise<ActionResult> {
  const path = fileOf(options);
  const user = await userOf(options, prompt);
  const saved = await whileUsersFileIsOurs(path, async () => removeUser(await openUsersFile(path), user));
  return {
    message: `The user ${user} was removed from ${path}.`,
    users: userNames(saved),
    generatedPassword: undefined,
  };
}

async function setRole(options: ActionOptions, prompt: Prompt): Promise<ActionResult> {
  const path = fileOf(options);
  const { role } = options;
  if (role === undefined) throw adminErrors.usage("the role is missing");
  const user = await userOf(options, prompt);
  const saved = await whileUsersFileIsOurs(path, async () => {
    await refuseUnfinishedRotation(options.masterKeyFile);
    return changeRole(await openUsersFile(path), user, role, await readMasterKey(options.masterKeyFile));
  });
  return { message: `The user ${user} has the role ${role} in ${path}.`, users: userNames(saved), generatedPassword: undefined };
}

async function listUsers(options: ActionOptions): Promise<ActionResult> {
  const path = fileOf(options);
  const file = await openUsersFile(path);
  if (!file.exists) throw vaultErrors.unreadable(`the file "${path}" is not there`, { path });
  const users = userNames(file);
  if (options.showRoles !== true) return { message: "", users, generatedPassword: undefined };
  const admins = decryptAdmins(file, [await readMasterKey(options.masterKeyFile)]);
  const roles = new Map([...admins].map(([name, { role }]) => [name, role]));
  return { message: "", users, roles, generatedPassword: undefined };
}

/** Runs one command. Throws errors of the catalogue; then nothing was changed. */
export function runAction(command: VaultCommand, options: ActionOptions, prompt: Prompt): Promise<ActionResult> {
  switch (command) {
    case "master-key":
      return createKey(options, prompt);
    case "user add":
      return setPassword(options, prompt, addUser, "was added to");
    case "user edit":
      return setPassword(options, prompt, editUser, "has a new password in");
    case "user del":
      return deleteUser(options, prompt);
    case "user role":
      return setRole(options, prompt);
    case "user ls":
      return listUsers(options);
  }
}
