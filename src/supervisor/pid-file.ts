/**
 * The PID file, for people and service managers. It protects nothing: the owner lock of the repository does. So one
 * that is left over never stops a start, and it is removed only by the daemon that it names.
 */
import { readFile, rm } from "node:fs/promises";
import { messageOf, writeFileDurably } from "../common/index.ts";
import { supervisorErrors } from "./errors.ts";
import type { ReloadPart } from "./reload-part.ts";

export interface PidFile {
  readonly path: string;
  /** Whose left-over file was replaced, if there was one; a sentence when it could not be read. */
  readonly replaced: string | undefined;
  remove(): Promise<void>;
}

/** What is in the file; undefined when there is none. One that cannot be read was written by somebody else at any rate. */
async function contentOf(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : `unknown: ${messageOf(error)}`;
  }
}

/** Writes the file; to be called by whoever holds the owner lock. */
export async function writePidFile(path: string, pid: number): Promise<PidFile> {
  const replaced = await contentOf(path);
  try {
    await writeFileDurably(path, `${pid}\n`, { mode: 0o640 });
  } catch (error) {
    throw supervisorErrors.pidFile(`the PID file "${path}" cannot be written: ${messageOf(error)}`, { path }, error);
  }
  return {
    path,
    replaced,
    async remove() {
      if ((await contentOf(path)) === String(pid)) await rm(path, { force: true });
    },
  };
}

/** Has the PID file move with `pidfile`: the new one is there before the old one goes. */
export function pidFilePart(
  pid: number,
  { current, replace }: { readonly current: () => PidFile; readonly replace: (next: PidFile) => void },
): ReloadPart {
  return {
    name: "the PID file",
    async prepare({ after }) {
      const before = current();
      const { pidfile } = after.configuration.main;
      if (before.path === pidfile) return { commit: () => undefined, abandon: async () => undefined };
      const next = await writePidFile(pidfile, pid);
      return {
        commit() {
          replace(next);
          // One that stays says the truth about the process, and is replaced by the next daemon.
          before.remove().catch(() => undefined);
        },
        abandon: () => next.remove(),
      };
    },
  };
}
