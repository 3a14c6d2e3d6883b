/** `master-key --rotate`: what the configuration, and the notes beside the master key, say that the key protects. */
import type { Prompt } from "../common/index.ts";
import { dirname, resolve } from "node:path";
import { loadConfiguration } from "../config/index.ts";
import { keysErrors, prepareMasterKeyRotation, type RepositoryPlace, type RotatedMasterKey } from "../keys/index.ts";
import { listRepositoryNotes } from "../repository/index.ts";
import type { ActionOptions, ActionResult } from "./actions.ts";
import { adminErrors } from "./errors.ts";
import { choosePassword } from "./password-source.ts";

export interface RotateOptions extends ActionOptions {
  /** `-D`. */
  readonly directory: string | undefined;
  /** `-m`, if it was given: it must be the key of the configuration. */
  readonly masterKeyNamed: string | undefined;
  /** `--without`. */
  readonly without: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Rotates the master key. Throws the errors of configuration, vault and rotation. */
export async function rotateMasterKey(options: RotateOptions, prompt: Prompt): Promise<ActionResult> {
  const { directory, environment, file, masterKeyNamed, now, without } = options;
  const { configuration } = await loadConfiguration({ directory, environment, purpose: "offline" });
  const { files, main, servers } = configuration;
  const { masterKeyFile } = main;
  if (masterKeyNamed !== undefined && resolve(masterKeyNamed) !== resolve(masterKeyFile)) {
    throw adminErrors.usage(`-m names "${masterKeyNamed}", but the master key of ${files.main} is "${masterKeyFile}"`);
  }
  const secondCopies = new Map(servers.flatMap(({ name, walShipping }) => (walShipping === undefined ? [] : [[name, walShipping] as const])));
  const rotation = await prepareMasterKeyRotation({
    masterKeyFile,
    usersFiles: [...new Set([files.users, files.admins, file].flatMap((path) => (path === undefined ? [] : [resolve(path)])))],
    repositories: await repositoriesOf(main.baseDir, masterKeyFile, secondCopies),
    without,
    now,
  });
  const named = options.password !== undefined || (options.fromEnvironment ?? "") !== "";
  const chosen = rotation.resumes && !named ? undefined : await choosePassword(options, prompt, "New master key");
  // One that is generated is nobody's wish: what was begun goes on with the one that was made then.
  const passphrase = rotation.resumes && chosen?.generated === true ? undefined : chosen?.password;
  const done = await rotation.run(passphrase);
  return {
    message: describe(masterKeyFile, rotation.resumes, done),
    users: undefined,
    generatedPassword: undefined,
    rotation: { resumed: rotation.resumes, ...done },
  };
}

/** The repository of the configuration, and every other one that this account keeps with the same master key. */
async function repositoriesOf(
  baseDir: string,
  masterKeyFile: string,
  secondCopies: ReadonlyMap<string, string>,
): Promise<RepositoryPlace[]> {
  const notes = await listRepositoryNotes(dirname(masterKeyFile));
  const unread = notes.find(({ note }) => note === undefined);
  if (unread !== undefined) {
    throw keysErrors.unreachable(
      `"${unread.path}" does not say which repository this account keeps, whose keys would be lost: remove that file if there is none`,
      { directory: unread.path },
    );
  }
  const known = notes.flatMap(({ note }) => note ?? []);
  const own: RepositoryPlace = { baseDir, id: known.find((note) => note.baseDir === baseDir)?.id, secondCopies };
  return [own, ...known.map((note) => ({ ...note, secondCopies: new Map<string, string>() }))];
}

function describe(masterKeyFile: string, resumed: boolean, { keys, keptBefore, kept, leftOut, usersFiles }: RotatedMasterKey): string {
  const sentences = [
    resumed
      ? `The rotation that was begun is complete: the master key in ${masterKeyFile} is the one that was made then.`
      : `The master key in ${masterKeyFile} is a new one. Keep a copy of that file elsewhere: without it nothing that is encrypted can be read again.`,
    `Rewrapped: ${keys} ${keys === 1 ? "key" : "keys"}${usersFiles.length === 0 ? "" : `, the passwords in ${usersFiles.join(" and ")}`}. No backup and no WAL was touched; a daemon that runs has noticed, or will at its next request.`,
    "Copies of the old master key open nothing any more but copies of the repository that were made before: replace them.",
  ];
  if (kept !== undefined) {
    sentences.push(
      `Left out: ${leftOut.join(", ")}. What lies there needs the old key, which is kept as ${kept} and found by itself; when it can be reached again, rotate once more.`,
    );
  }
  if (keptBefore.length > 0) {
    sentences.push(`Kept by earlier rotations: ${keptBefore.join(", ")}. Remove them when everything that was left out then was part of this rotation.`);
  }
  return sentences.join("\n");
}
