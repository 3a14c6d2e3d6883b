/** The last lines of the log. */
import { open } from "node:fs/promises";
import { strftime } from "../log/index.ts";
import { diagnoseErrors } from "./errors.ts";
import type { PartContent } from "./bounded-text.ts";

/** Where a daemon logs to: its keys of the configuration. */
export interface LogPlace {
  readonly type: "console" | "file" | "syslog";
  /** May contain strftime(3) conversions. */
  readonly path: string;
}

/** Bytes of the log that a bundle has. */
export const logTailBytes = 1024 * 1024;

/** The last whole lines of a file, at most so many bytes. Throws what the system says. */
export async function readTail(path: string, bytes = logTailBytes): Promise<PartContent> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const length = Math.min(size, bytes);
    const buffer = Buffer.alloc(length);
    let read = 0;
    while (read < length) {
      const { bytesRead } = await file.read(buffer, read, length - read, size - length + read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    const piece = buffer.subarray(0, read);
    if (length === size) return { text: piece.toString("utf8") };
    // What stands before the first end of a line is the rest of one.
    const text = piece.subarray(piece.indexOf(0x0a) + 1).toString("utf8");
    return { text, remark: `the last ${Buffer.byteLength(text)} of ${size} bytes` };
  } finally {
    await file.close();
  }
}

/** The end of the log that is written at `now`, milliseconds since 1970. Throws DIAGNOSE_NO_LOG where it is in no file. */
export async function readLogTail({ path, type }: LogPlace, now: number, bytes = logTailBytes): Promise<PartContent> {
  if (type !== "file") {
    const where = type === "syslog" ? "syslog (the tag is moneta)" : "standard output; under systemd that is the journal";
    throw diagnoseErrors.noLogFile(`the log goes to ${where}, and to no file`);
  }
  const file = strftime(path, now);
  try {
    return await readTail(file, bytes);
  } catch (error) {
    throw diagnoseErrors.noLogFile(`the log "${file}" cannot be read`, { path: file }, error);
  }
}
