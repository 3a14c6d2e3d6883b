/**
 * The file in the data directory of a copy that says whose it is and how far it is. Without it a directory is nobody's
 * and never touched; removing it gives the directory away.
 */
import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileDurably } from "../../common/index.ts";
import { attempting } from "../attempt.ts";
import { fileSealsName, standbyStateName } from "../own-files.ts";
import { noSeals, openFileSeals, type FileSeals } from "./file-seals.ts";

export interface StandbyState {
  /** The server of the configuration. */
  readonly server: string;
  /** Id of its repository; empty where that has none. */
  readonly repository: string;
  /** The backup that it is brought to. */
  readonly label: string;
  /** False from before the first change until the last: what its files hold is not known then. */
  readonly complete: boolean;
  /** When every file was last read, milliseconds since 1970; 0 for never. */
  readonly read: number;
  /** Fingerprint of overrides and tablespace map. */
  readonly settings: string;
  /** The data directory and those of the tablespaces. */
  readonly directories: readonly string[];
  /** SHA-256 of the seals of its files; empty when there are none. */
  readonly seals: string;
  /** What it takes on disk. */
  readonly bytes: number;
}

const format = "moneta.standby";
const version = 1;

/** Undefined when there is none, or one that cannot be understood: then it is not known whose the directory is. */
export async function readStandbyState(data: string): Promise<StandbyState | undefined> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(join(data, standbyStateName), "utf8"));
  } catch {
    return undefined;
  }
  const { server, repository, label, complete, read, settings, directories, seals, bytes, ...rest } = (content ?? {}) as Partial<Record<string, unknown>>;
  if (rest["format"] !== format || rest["version"] !== version) return undefined;
  if (typeof server !== "string" || typeof repository !== "string" || typeof label !== "string") return undefined;
  if (typeof complete !== "boolean" || typeof read !== "number" || typeof bytes !== "number") return undefined;
  if (typeof settings !== "string" || typeof seals !== "string" || !Array.isArray(directories)) return undefined;
  const paths = (directories as unknown[]).filter((path) => typeof path === "string");
  return { server, repository, label, complete, read, settings, directories: paths, seals, bytes };
}

/** Puts the state into the directory, durably. */
export async function writeStandbyState(data: string, state: StandbyState): Promise<void> {
  const path = join(data, standbyStateName);
  const text = `${JSON.stringify({ format, version, ...state }, null, 2)}\n`;
  await attempting("write", path, () => writeFileDurably(path, text, { mode: 0o600 }));
}

/** Keeps the seals; what goes into `StandbyState.seals`. */
export async function writeFileSeals(data: string, seals: Buffer): Promise<string> {
  const path = join(data, fileSealsName);
  await attempting("write", path, () => writeFileDurably(path, seals, { mode: 0o600 }));
  return hash("sha256", seals, "hex");
}

/** The seals that a state speaks of; none when they are not those: then every file is read. */
export async function readFileSeals(data: string, { complete, seals }: StandbyState): Promise<FileSeals> {
  if (!complete || seals === "") return noSeals;
  try {
    const content = await readFile(join(data, fileSealsName));
    return hash("sha256", content, "hex") === seals ? openFileSeals(content) : noSeals;
  } catch {
    return noSeals;
  }
}
