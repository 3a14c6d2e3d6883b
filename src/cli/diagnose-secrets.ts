/** Secrets that a command line knows or can find: none of them may be in what it writes. */
import { join } from "node:path";
import type { Configuration, LoadedClientConfiguration, LoadedConfiguration } from "../config/index.ts";
import { secretFilesOf, secretsOf } from "../config/index.ts";
import { readSecretFiles } from "../diagnose/index.ts";
import { decryptAdmins, decryptUsers, openUsersFile, readMasterKeys } from "../vault/index.ts";
import type { Invocation } from "./invocation.ts";
import type { Terminal } from "./terminal.ts";

/** Passwords of a pass file: what stands behind the fourth colon of a line, with its escapes undone. */
const passwordsOfPassFile = (text: string): string[] =>
  text.split("\n").flatMap((line) => {
    const fields = /^(?:(?:[^:\\]|\\.)*:){4}((?:[^:\\]|\\.)*)/.exec(line);
    return fields?.[1] === undefined ? [] : [fields[1].replace(/\\(.)/g, "$1")];
  });

/** What the client itself logs in and encrypts with. */
export async function secretsOfClient({ options }: Invocation, client: LoadedClientConfiguration, terminal: Terminal): Promise<string[]> {
  const { environment, homeDirectory } = terminal;
  const own = (name: string): string => join(homeDirectory, ".pgmoneta", name);
  const keys = [own("master.key"), own("pgmoneta.key"), options.tlsKey, client.options.tlsKeyFile].filter((path) => path !== undefined);
  const passFiles = [options.passwordFile ?? client.options.passwordFile, join(homeDirectory, ".pgpass")].filter((path) => path !== undefined);
  return [
    options.password ?? "",
    environment["PGMONETA_PASSWORD"] ?? "",
    ...(await readSecretFiles(keys)),
    ...(await readSecretFiles(passFiles)).flatMap(passwordsOfPassFile),
  ];
}

/** What the users and admins files of a configuration hold. Throws the errors of the vault: then nobody knows what to look for. */
export async function passwordsOfVault({ files, main }: Configuration): Promise<string[]> {
  const users = files.users === undefined ? undefined : await openUsersFile(files.users);
  const admins = files.admins === undefined ? undefined : await openUsersFile(files.admins);
  if ((users?.entries.length ?? 0) + (admins?.entries.length ?? 0) === 0) return [];
  const { current, former, next } = await readMasterKeys(main.masterKeyFile);
  const keys = [current, ...(next === undefined ? [] : [next]), ...former];
  return [
    ...(users === undefined ? [] : decryptUsers(users, keys).values()),
    ...(admins === undefined ? [] : [...decryptAdmins(admins, keys).values()].map(({ password }) => password)),
  ];
}

/** The secrets of a configuration and of the files that it names, but for passwords of users and admins. */
export async function secretsOfConfiguration({ configuration, source }: LoadedConfiguration): Promise<string[]> {
  return [...secretsOf(source), ...(await readSecretFiles(secretFilesOf(configuration)))];
}
