/** The files of `hot_standby_overrides`: what the operator wants otherwise in a copy than it is in the backup. */
import { copyFile, readdir, readFile, stat } from "node:fs/promises";
import { pathFromBytes, pathToBytes, printablePath, readSettings } from "../../postgres/index.ts";
import { dataPath } from "../../repository/index.ts";
import { attempting } from "../attempt.ts";
import { restoreErrors } from "../errors.ts";
import { controlFilePath, largestText } from "../inspect-backup.ts";
import { isOwnFile } from "../own-files.ts";
import { placeDirectory, putContent, removeEntry, setMode } from "./place-entry.ts";

export interface Overrides {
  readonly files: readonly OverrideFile[];
  /** The copy is to follow its primary: there is a standby.signal. */
  readonly standby: boolean;
  /** postgresql.auto.conf, with the recovery settings of a restore, is replaced by one that has no `restore_command`. */
  readonly withoutRecovery: boolean;
}

interface OverrideFile {
  /** Relative to the data directory. */
  readonly name: string;
  readonly source: string;
  readonly size: number;
  readonly mode: number;
}

export const noOverrides: Overrides = { files: [], standby: false, withoutRecovery: false };

const refuse = (directory: string, why: string) =>
  restoreErrors.standbyOverrides(`the overrides "${directory}" ${why}`, { path: directory });

/**
 * Reads what there is below a directory. Throws HOT_STANDBY_OVERRIDES when it is not there (a copy without what it was to
 * have may be a danger), or holds what cannot be laid over a data directory.
 */
export async function readOverrides(directory: string | undefined): Promise<Overrides> {
  if (directory === undefined) return noOverrides;
  const files: OverrideFile[] = [];
  const waiting = [""];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const entry of await list(directory, at)) {
      const name = at === "" ? entry : `${at}/${entry}`;
      const source = `${directory}/${name}`;
      // A link to a file stands for the file; one to a directory could lead anywhere.
      const facts = await attempting("look at", source, () => stat(pathToBytes(source)));
      if (facts.isFile()) files.push({ name, source, size: facts.size, mode: facts.mode });
      else if (facts.isDirectory()) waiting.push(name);
      else throw refuse(directory, `hold "${printablePath(name)}", which is neither a file nor a directory`);
    }
  }
  for (const { name } of files) {
    if (dataPath(name) === controlFilePath || name === "postmaster.pid" || name === "backup_label" || isOwnFile(dataPath(name))) {
      throw refuse(directory, `hold "${name}", with which the copy would be none`);
    }
    if (name.startsWith("pg_tblspc/")) throw refuse(directory, `hold "${name}": a tablespace cannot be overridden`);
  }
  const standby = files.some(({ name }) => name === "standby.signal");
  const auto = files.find(({ name }) => name === "postgresql.auto.conf");
  return { files, standby, withoutRecovery: auto !== undefined && !standby && !(await restores(auto)) };
}

async function list(directory: string, below: string): Promise<string[]> {
  const path = below === "" ? directory : `${directory}/${below}`;
  try {
    return (await readdir(pathToBytes(path), { encoding: "buffer" })).map((name) => pathFromBytes(name));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw restoreErrors.standbyOverrides(`the overrides "${path}" cannot be read: ${code ?? message}`, { path }, error);
  }
}

async function restores({ name, source }: OverrideFile): Promise<boolean> {
  const text = pathFromBytes(await attempting("read", source, () => readFile(pathToBytes(source))));
  try {
    return (readSettings(text, name).get("restore_command") ?? "") !== "";
  } catch (error) {
    throw restoreErrors.standbyOverrides(`the override "${source}" is no configuration that PostgreSQL reads`, { path: source }, error);
  }
}

/** Lays them over the data directory, unchanged; the bytes that were written. */
export async function layOverrides({ files }: Overrides, data: string, groupAccess: boolean): Promise<number> {
  let written = 0;
  for (const { name, source, size, mode } of files) {
    const path = `${data}/${name}`;
    const bits = mode & (groupAccess ? 0o750 : 0o700);
    await placeDirectory(path.slice(0, path.lastIndexOf("/")), data, groupAccess ? 0o750 : 0o700);
    if (size <= largestText) {
      const content = await attempting("read", source, () => readFile(pathToBytes(source)));
      written += await putContent(path, content, bits);
      continue;
    }
    await removeEntry(path);
    await attempting("write", path, () => copyFile(pathToBytes(source), pathToBytes(path)));
    await setMode(path, bits);
    written += size;
  }
  return written;
}
