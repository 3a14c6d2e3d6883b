/** Configuration files that postgresql.conf includes from within the data directory: what is taken out of one is taken out of all. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { parseSettingsFile, pathFromBytes, pathToBytes, type IncludeLine } from "../postgres/index.ts";
import { attempting } from "./attempt.ts";
import { cleanConf, staysInside } from "./cluster-configuration.ts";

/** The files of a data directory, wherever they are; paths begin with that of the directory. */
export interface IncludedFiles {
  /** Undefined for a file that is not there: PostgreSQL will say so, as it did on the source. */
  readonly read: (path: string) => Promise<string | undefined>;
  readonly write: (path: string, text: string) => Promise<void>;
  /** Names in a directory; none of one that is not there. */
  readonly names: (directory: string) => Promise<readonly string[]>;
}

const onDisk: IncludedFiles = {
  read: readText,
  write: (path, text) => attempting("write", path, () => writeFile(pathToBytes(path), pathToBytes(text))),
  names: namesIn,
};

/** Cleans every file below `data` that `conf` leads to. */
export async function cleanIncludes(data: string, conf: string, files: IncludedFiles = onDisk): Promise<void> {
  const seen = new Set<string>();
  const waiting = await includedFiles(data, data, conf, files);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const text = await files.read(path);
    if (text === undefined) continue;
    const cleaned = cleanConf(text, relative(data, path), []);
    if (cleaned !== text) await files.write(path, cleaned);
    waiting.push(...(await includedFiles(data, dirname(path), cleaned, files)));
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return pathFromBytes(await readFile(pathToBytes(path)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    return attempting("read", path, () => Promise.reject(error as Error));
  }
}

/** Paths in an include are relative to the file that has it. */
async function includedFiles(data: string, directory: string, text: string, { names }: IncludedFiles): Promise<string[]> {
  const files: string[] = [];
  for (const line of parseSettingsFile(text)) {
    if (!isInclude(line) || !staysInside(line.value)) continue;
    const path = join(directory, line.value);
    if (line.kind !== "include_dir") files.push(path);
    else files.push(...(await names(path)).filter(isConfFile).map((name) => join(path, name)));
  }
  return files.filter((path) => path.startsWith(`${data}/`));
}

function isInclude(line: { readonly kind: string }): line is IncludeLine {
  return line.kind === "include" || line.kind === "include_if_exists" || line.kind === "include_dir";
}

/** As PostgreSQL: names that end with `.conf` and do not begin with a dot. */
const isConfFile = (name: string): boolean => name.endsWith(".conf") && !name.startsWith(".");

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    const names = await readdir(pathToBytes(directory), { encoding: "buffer" });
    return names.map((name) => pathFromBytes(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    return attempting("list", directory, () => Promise.reject(error as Error));
  }
}
