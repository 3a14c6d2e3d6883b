/**
 * What the server's log is to say of a segment that lies ready: a file beside it, because whoever made it ready has no
 * output that anybody reads. Whoever moves the segment prints it (the shell of `restore_command`, or `wal-get`).
 */
import { writeFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";

const suffix = ".why";
const notes = /^([0-9A-F]{24})\.why$/;

/** The name of the note on a segment, which may be `%f` for the shell. */
export const noteName = (segment: string): string => `${segment}${suffix}`;

/** The segment that a file is the note on; undefined for any other file. */
export const notedSegment = (file: string): string | undefined => notes.exec(file)?.[1];

/** What is said of a file that PostgreSQL asked for as `file`, when `name` comes from the second copy; a line without its end. */
export function secondCopyLine(file: string, name: string, why: string): string {
  return `moneta-cli wal-get ${file}: ${name} is taken from the second copy of the WAL: ${why}`;
}

/** Leaves a note on a segment; done when it returns, so before the segment has its name. Throws what the system says. */
export function leaveNote(directory: string, segment: string, line: string): void {
  writeFileSync(join(directory, noteName(segment)), `${line}\n`, { mode: 0o600 });
}

/** Takes the note on a segment away and returns its line; undefined when there is none. Rejects when it cannot be read. */
export async function takeNote(directory: string, segment: string): Promise<string | undefined> {
  const path = join(directory, noteName(segment));
  try {
    const line = (await readFile(path, "utf8")).trimEnd();
    await rm(path, { force: true });
    return line;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return undefined;
  }
}
