/**
 * May this directory be brought up to date? One that is absent, empty, or a copy of ours on which no server runs or
 * crashed. Anything else is somebody's and stays as it is.
 */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { MonetaError } from "../../common/index.ts";
import { pathToBytes } from "../../postgres/index.ts";
import { attempting } from "../attempt.ts";
import { restoreErrors } from "../errors.ts";
import { fileSealsName, standbyStateName } from "../own-files.ts";
import { kindOf, pidExists, problemsOfNesting, problemsOfPlace, tablespaceEntry, type TargetPaths } from "../target-directory.ts";
import { readStandbyState, type StandbyState } from "./standby-state.ts";

const refuse = (path: string, why: string): MonetaError => restoreErrors.standbyRefused(`the hot standby "${path}" ${why}`, { path });

/** The state of a copy of ours; undefined where there is nothing yet. Throws HOT_STANDBY_REFUSED, HOT_STANDBY_IN_USE. */
export async function inspectStandby(data: string, server: string, repositoryId = ""): Promise<StandbyState | undefined> {
  const kind = await kindOf(data);
  if (kind === "absent" || kind === "empty") return undefined;
  if (kind === "link") throw refuse(data, "is a symbolic link: name the directory itself");
  if (kind === "other") throw refuse(data, "is not a directory");
  await requireNoServer(data);
  const state = await readStandbyState(data);
  if (state === undefined) {
    const names = await namesIn(data);
    // The very first state had not got its name when its writer was killed; nothing else is written before.
    if (names.every((name) => name === `${standbyStateName}.tmp` || name === `${fileSealsName}.tmp`)) return undefined;
    throw refuse(data, `is not empty and no copy of Moneta's (${names.sort().slice(0, 3).join(", ")}, …)`);
  }
  if (state.server !== server) throw refuse(data, `is the copy of another server, ${state.server}`);
  if (repositoryId !== "" && state.repository !== "" && state.repository !== repositoryId) {
    throw refuse(data, `is the copy of server ${state.server} of another repository`);
  }
  // Moved or copied here: the tablespaces that it names may be those of the copy that it was made from.
  return state.directories[0] === data ? state : { ...state, complete: false, directories: [data] };
}

/**
 * PostgreSQL makes postmaster.pid before it reads anything else and removes it when it ends in order. One that is left
 * counts as well: the server can run on another machine or in another container, or has crashed with data of its own.
 */
export async function requireNoServer(data: string): Promise<void> {
  const path = join(data, "postmaster.pid");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    return attempting("read", path, () => Promise.reject(error as Error));
  }
  const pid = Number.parseInt(text, 10);
  const details = { path: data, pid: Number.isNaN(pid) ? 0 : pid };
  if (pid > 0 && pidExists(pid)) {
    throw restoreErrors.standbyInUse(`a PostgreSQL server runs on the hot standby "${data}" (pid ${pid}): it is not brought up to date`, details);
  }
  throw restoreErrors.standbyInUse(
    `the hot standby "${data}" has a postmaster.pid (of pid ${Number.isNaN(pid) ? "?" : pid}, which does not run here): a server crashed on it, or runs on another machine; it is not brought up to date`,
    details,
  );
}

/** What speaks against the directories of a copy: where they lie, what is in them. */
export async function problemsOfStandby(paths: TargetPaths, state: StandbyState | undefined, repositoryRoot: string): Promise<MonetaError[]> {
  const outside = paths.tablespaces.filter(({ inPlace }) => !inPlace).map(({ path }) => path);
  const parents = new Set(outside.map((path) => dirname(path)).filter((parent) => parent !== paths.parent));
  const problems = await problemsOfNesting([paths.data, ...outside]);
  for (const parent of parents) problems.push(...(await problemsOfPlace(parent, repositoryRoot)));
  for (const path of outside) {
    const kind = await kindOf(path);
    if (kind === "absent" || kind === "empty") continue;
    if (kind === "full" && state?.directories.includes(path) === true && (await isTablespace(path))) continue;
    problems.push(refuse(paths.data, `cannot have a tablespace in "${path}", which ${kind === "full" ? "is not empty and none of this copy's" : "is no directory"}`));
  }
  return problems;
}

/** Nothing but what PostgreSQL makes in the directory of a tablespace. */
export async function isTablespace(path: string): Promise<boolean> {
  return (await namesIn(path)).every((name) => tablespaceEntry.test(name));
}

function namesIn(path: string): Promise<string[]> {
  return attempting("list", path, () => readdir(pathToBytes(path)));
}
