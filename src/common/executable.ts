/** Whether a path is a program that this account may start. */
import { access, constants, stat } from "node:fs/promises";

/** True for a file, or a link to one, that may be executed. A directory that may be entered is none. Never rejects: "no" is an answer. */
export async function isExecutable(path: string): Promise<boolean> {
  try {
    if (!(await stat(path)).isFile()) return false;
    await access(path, constants.X_OK);
    return true;
  } catch {
    // It is not there, or may not be seen or started: either way it is none.
    return false;
  }
}
