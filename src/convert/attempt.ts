/** Steps on the file system: what the system refuses becomes an error that names the step and the path. */
import { describeShortage, isOutOfRoom, MonetaError } from "../common/index.ts";
import { convertErrors } from "./errors.ts";

/** Runs one step on `path`; `what` completes "could not …", `needed` are the bytes that it writes. Errors of the catalogue pass. */
export async function attempting<T>(what: string, path: string, step: () => Promise<T>, needed?: number): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof MonetaError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw convertErrors.noFile(`"${path}" is not there`, { path }, error);
    if (isOutOfRoom(error)) {
      const { text, details } = describeShortage(error, path, needed);
      throw convertErrors.noSpace(`no space to ${what} "${path}"${text}`, { path, ...details }, error);
    }
    throw convertErrors.failed(`could not ${what} "${path}": ${code ?? message}`, { path }, error);
  }
}
