/** Who may read a file with secrets. The rules are pgmoneta's, enforced on reading as well as on writing. */
import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { vaultErrors } from "./errors.ts";

const octal = (mode: number): string => `0${(mode & 0o777).toString(8).padStart(3, "0")}`;

/** The file or directory at `path`, or undefined when there is none. */
export async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw vaultErrors.unreadable(`"${path}" cannot be examined`, { path }, error);
  }
}

function ownId(): number {
  return process.getuid?.() ?? 0;
}

/** Refuses a directory of secrets that another account may look into, or that is another account's. */
export function checkPrivateDirectory(path: string, stats: Stats): void {
  if (!stats.isDirectory()) throw vaultErrors.unsafePermissions(`"${path}" is no directory`, { path });
  checkOwner(path, stats);
  if ((stats.mode & 0o777) !== 0o700) {
    throw vaultErrors.unsafePermissions(`the directory "${path}" has mode ${octal(stats.mode)}, expected 0700`, {
      path,
      mode: octal(stats.mode),
    });
  }
}

/** Refuses a file of secrets that another account may read or change, or that is another account's. */
export function checkPrivateFile(path: string, stats: Stats): void {
  if (!stats.isFile()) throw vaultErrors.unsafePermissions(`"${path}" is no regular file`, { path });
  checkOwner(path, stats);
  if ((stats.mode & 0o177) !== 0) {
    throw vaultErrors.unsafePermissions(`"${path}" has mode ${octal(stats.mode)}, expected 0600`, {
      path,
      mode: octal(stats.mode),
    });
  }
}

/**
 * Refuses a file of sealed secrets that everybody may read or that others may change: 0600 of the own account,
 * or up to 0640 of root, as a package installs it.
 */
export function checkSealedFile(path: string, stats: Stats): void {
  if (stats.uid === 0 && ownId() !== 0) {
    if (!stats.isFile()) throw vaultErrors.unsafePermissions(`"${path}" is no regular file`, { path });
    if ((stats.mode & 0o137) === 0) return;
    throw vaultErrors.unsafePermissions(`"${path}" of root has mode ${octal(stats.mode)}, expected at most 0640`, {
      path,
      mode: octal(stats.mode),
    });
  }
  checkPrivateFile(path, stats);
}

function checkOwner(path: string, stats: Stats): void {
  if (stats.uid !== ownId()) {
    throw vaultErrors.unsafePermissions(
      `"${path}" belongs to the account with id ${stats.uid}, not to the one that runs the program (${ownId()})`,
      {
        path,
        owner: stats.uid,
      },
    );
  }
}
