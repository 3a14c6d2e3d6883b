/**
 * Room and inodes that are kept for small files when everything else is used up: pieces in `<root>/.moneta.reserve`,
 * of which a write that finds no room gives up one at a time. The reasons stand in doc/adr/reserve-for-metadata.md.
 */
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isOutOfRoom, roomAt, syncDirectory } from "../../common/index.ts";
import { storageErrors } from "../errors.ts";
import { systemCode } from "../system-error.ts";

export interface Reserve {
  /** Runs `write`, which may be repeated, and gives up pieces as long as there is no room for it. */
  spend<T>(write: () => Promise<T>): Promise<T>;
  /** Makes the pieces that are missing if there is plenty of room. One caller at a time. */
  fill(): Promise<ReserveState>;
}

export interface ReserveState {
  readonly pieces: number;
  /** As many as there should be. */
  readonly wanted: number;
}

/** Each is a file: where inodes are used up it brings one. */
const wanted = 16;
const pieceBytes = 256 * 1024;
/** With less free than this the pieces would take the room that they are to keep. */
const roomToFill = 8 * wanted * pieceBytes;

export const reserveName = ".moneta.reserve";

const names = Array.from({ length: wanted }, (_, number) => `piece-${number}`);

function lacksRoom(error: unknown): boolean {
  return isOutOfRoom(error) || (storageErrors.full.is(error) && isOutOfRoom(error.cause));
}

export function openReserve(root: string): Reserve {
  const directory = join(root, reserveName);

  /** False when nothing is left to give; of several processes each one takes another piece. */
  const giveUpPiece = async (): Promise<boolean> => {
    for (const name of names) {
      try {
        await unlink(join(directory, name));
        return true;
      } catch (error) {
        if (systemCode(error) !== "ENOENT") return false; // What holds it back has led to the failure already.
      }
    }
    return false;
  };

  const makePiece = async (name: string): Promise<void> => {
    const path = join(directory, name);
    const handle = await open(path, "wx", 0o600);
    try {
      // A file system that compresses would keep no room for zeros.
      await handle.writeFile(randomBytes(pieceBytes));
      await handle.sync();
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
  };

  return {
    async spend(write) {
      for (;;) {
        try {
          return await write();
        } catch (error) {
          if (!lacksRoom(error) || !(await giveUpPiece())) throw error;
        }
      }
    },
    async fill() {
      const present = async (): Promise<Set<string>> => {
        try {
          return new Set((await readdir(directory)).filter((name) => names.includes(name)));
        } catch (error) {
          if (systemCode(error) === "ENOENT") return new Set();
          throw error;
        }
      };
      const before = await present();
      const missing = names.filter((name) => !before.has(name));
      if (missing.length === 0) return { pieces: wanted, wanted };
      const { free, freeInodes, inodes } = await roomAt(root);
      if (free < roomToFill || (inodes > 0 && freeInodes < 8 * wanted)) return { pieces: before.size, wanted };
      try {
        await mkdir(directory, { mode: 0o700, recursive: true });
        for (const name of missing) await makePiece(name);
        await syncDirectory(directory);
      } catch (error) {
        // Somebody else was quicker to take the room; the next time is soon.
        if (!lacksRoom(error)) throw error;
      }
      return { pieces: (await present()).size, wanted };
    },
  };
}
