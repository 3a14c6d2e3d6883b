/** Writes a configuration file that somebody wrote before: whole or not at all, with its owner's rights, one editor at a time. */
import { realpath, stat } from "node:fs/promises";
import { MonetaError, messageOf, writeFileDurably } from "../common/index.ts";
import { configErrors } from "./errors.ts";
import { readConfigurationFile } from "./load.ts";

/** A file that is new is nobody else's business: it may hold secrets. */
const newFileMode = 0o600;

/**
 * Replaces the file by what `edit` makes of it; readers see the old content or the new, whatever happens. Comments, order and mode
 * are kept; a link stays one, what it names is replaced. What `edit` throws leaves everything as it was. Throws `CONFIGURATION_NOT_SAVED`.
 */
export async function editConfigurationFile(path: string, edit: (text: string) => string | Promise<string>): Promise<void> {
  // The lock on the directory is the one of the users files, which may lie there too.
  const { whileUsersFileIsOurs } = await import("../vault/index.ts");
  await whileUsersFileIsOurs(path, async () => {
    const text = readConfigurationFile(path);
    const edited = await edit(text);
    if (edited === text) return;
    try {
      const real = await realpath(path);
      const { gid, mode, uid } = await stat(real);
      const own = process.getuid?.() ?? uid;
      if (uid !== own && own !== 0) throw configErrors.notSaved(`"${path}" belongs to another account (id ${uid})`, { path });
      const owner = uid === own && gid === process.getgid?.() ? {} : { owner: { uid, gid } };
      await writeFileDurably(real, edited, { mode: mode & 0o777, ...owner });
    } catch (error) {
      if (error instanceof MonetaError) throw error;
      throw configErrors.notSaved(`"${path}" cannot be written: ${messageOf(error)}`, { path }, error);
    }
  });
}

/** Writes a file that must not be there, unless it may be replaced. Throws `CONFIGURATION_NOT_SAVED`. */
export async function createConfigurationFile(path: string, text: string, replace: boolean): Promise<void> {
  try {
    const there = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (there !== undefined && !replace) throw configErrors.notSaved(`"${path}" exists already: give --force to replace it`, { path });
    await writeFileDurably(path, text, { mode: there === undefined ? newFileMode : there.mode & 0o777 });
  } catch (error) {
    if (error instanceof MonetaError) throw error;
    throw configErrors.notSaved(`"${path}" cannot be written: ${messageOf(error)}`, { path }, error);
  }
}
