/** Steps on the target file system: what the system refuses becomes an error that names the step and the path. */
import { describeShortage, isOutOfRoom, MonetaError } from "../common/index.ts";
import { printablePath } from "../postgres/index.ts";
import { restoreErrors } from "./errors.ts";

/** Runs one step on `path`; `what` completes "could not …". Errors of the catalogue pass. */
export async function attempting<T>(what: string, path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof MonetaError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const name = printablePath(path);
    if (isOutOfRoom(error)) {
      const { text, details } = describeShortage(error, path);
      throw restoreErrors.noSpace(`no space to ${what} "${name}"${text}`, { path: name, ...details }, error);
    }
    throw restoreErrors.failed(`could not ${what} "${name}": ${code ?? message}`, { path: name }, error);
  }
}
