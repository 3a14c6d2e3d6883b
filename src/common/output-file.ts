/** A file that somebody asked for at a place of theirs: written under another name, durable before it has its own, never over anything. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, open, rm } from "node:fs/promises";
import { publishFile } from "./durable-file.ts";
import { commonErrors } from "./errors.ts";

export interface OutputFile {
  /** Where the bytes are until the file has its name. */
  readonly temporary: string;
  readonly path: string;
  /** Appends. */
  write(piece: Uint8Array): Promise<void>;
  /** Permission bits and the time of the last change, milliseconds since 1970. */
  describe(mode: number, modifiedMs: number): Promise<void>;
  /** Gives the file its name, durably. Throws TARGET_EXISTS when something has it. */
  publish(): Promise<void>;
  /** Removes what was written. Safe at any time; a published file stays. */
  discard(): Promise<void>;
}

/** Throws TARGET_EXISTS when something, also a link that leads nowhere, has the name. */
export async function refuseExisting(path: string): Promise<void> {
  try {
    await access(path, constants.F_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  throw commonErrors.targetExists(`"${path}" exists already`, { path });
}

/** Begins the file, readable by nobody else. Throws TARGET_EXISTS, and what the system says. */
export async function createOutputFile(path: string): Promise<OutputFile> {
  await refuseExisting(path);
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = await open(temporary, flags, 0o600);
  let published = false;
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await handle.close();
  };
  return {
    temporary,
    path,
    async write(piece) {
      for (let done = 0; done < piece.length;) {
        done += (await handle.write(piece, done, piece.length - done)).bytesWritten;
      }
    },
    async describe(mode, modifiedMs) {
      await handle.chmod(mode & 0o7777);
      await handle.utimes(modifiedMs / 1000, modifiedMs / 1000);
    },
    async publish() {
      await handle.sync();
      await close();
      await publishFile(temporary, path);
      published = true;
    },
    async discard() {
      await close();
      if (!published) await rm(temporary, { force: true });
    },
  };
}
