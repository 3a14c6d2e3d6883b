/** The few small files of a base backup that are not only stored but read: their bytes, kept as they stream by. */
import { backupErrors } from "./errors.ts";

/** Names as in the archive of the data directory. */
export type KeptName = "backup_label" | "global/pg_control";

export interface KeptFiles {
  /** A collector for the file at `path` of the data directory, or undefined for the many that are not kept. */
  begin(path: string, size: number): ((piece: Uint8Array) => void) | undefined;
  /** The whole file; throws BACKUP_MISMATCH when it did not come. */
  content(name: KeptName): Buffer;
}

/** Far above what PostgreSQL writes (a line for each fact, and 8 kB), far below what could hurt. */
const largestKept = 64 * 1024;

export function createKeptFiles(): KeptFiles {
  const kept = new Map<string, Buffer[] | undefined>([
    ["backup_label", undefined],
    ["global/pg_control", undefined],
  ]);
  return {
    begin(path, size) {
      if (!kept.has(path)) return undefined;
      if (size > largestKept) throw backupErrors.mismatch(`the server sent "${path}" with ${size} bytes`, { path, size });
      const pieces: Buffer[] = [];
      kept.set(path, pieces);
      return (piece) => void pieces.push(Buffer.from(piece));
    },
    content(name) {
      const pieces = kept.get(name);
      if (pieces === undefined) throw backupErrors.mismatch(`the server sent no "${name}"`, { path: name });
      return Buffer.concat(pieces);
    },
  };
}
