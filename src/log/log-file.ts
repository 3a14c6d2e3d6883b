/**
 * The log file: rotated by size and age, and never the reason why a line is lost or the daemon stops.
 *
 * Each line is in the hands of the kernel when `write` returns, so that a crash of the process loses none.
 * When the disk is full or broken, lines go to standard error at once and are held, up to a bound, to be
 * written in order when the file takes lines again.
 */
import { closeSync, existsSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import { messageOf } from "../common/index.ts";
import { logErrors } from "./errors.ts";
import type { Complain } from "./log-sink.ts";
import { strftime } from "./strftime.ts";

export interface LogFileOptions {
  /** Path, which may contain strftime(3) conversions, applied when a file is opened. */
  readonly path: string;
  /** `create` empties an existing file at the start; a rotation never does. */
  readonly mode: "append" | "create";
  /** Bytes; 0 is off. */
  readonly rotationSize: number;
  /** Seconds; 0 is off. */
  readonly rotationAge: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly complain: Complain;
  /** For tests: writes to a file descriptor as `fs.writeSync` does. */
  readonly writeBytes?: (file: number, bytes: Uint8Array) => number;
}

export interface LogFile {
  /** Appends one line (without its end). */
  write(line: string): void;
  /** Opens the file of the path again, which creates it when it was moved away. */
  reopen(): void;
  /** The file that is written at present. */
  readonly path: string;
  close(): void;
}

/** Bytes of lines that are held while the file takes none. */
const heldBytesLimit = 1024 * 1024;

interface OpenFile {
  readonly descriptor: number;
  readonly path: string;
  size: number;
  /** Milliseconds since 1970 at which the age counts from. */
  readonly born: number;
}

/** A line on its way, and how much of it the file has. */
interface HeldLine {
  readonly bytes: Buffer;
  written: number;
}

/** Opens the log file. Throws `LOG_NOT_OPENED` when that fails; later failures only complain. */
export function openLogFile(options: LogFileOptions): LogFile {
  const writeBytes = options.writeBytes ?? ((file: number, bytes: Uint8Array) => writeSync(file, bytes));
  const held: HeldLine[] = [];
  let heldBytes = 0;
  /** Lines that did not fit among the held ones any more. */
  let missing = 0;

  function open(truncate: boolean): OpenFile {
    const path = strftime(options.path, options.now());
    const descriptor = openSync(path, truncate ? "w" : "a", 0o640);
    const { size, birthtimeMs } = fstatSync(descriptor);
    // The age of a file that is continued goes on from where the earlier run began it.
    return { descriptor, path, size, born: size > 0 && birthtimeMs > 0 ? birthtimeMs : options.now() };
  }

  let file: OpenFile;
  try {
    file = open(options.mode === "create");
  } catch (error) {
    throw logErrors.cannotOpen(`the log file "${options.path}" cannot be opened`, { path: options.path }, error);
  }

  /** Opens the next file and only then lets go of the present one: without a next one the present one goes on. */
  function replace(): void {
    const previous = file;
    file = open(false);
    closeSync(previous.descriptor);
    // A line that was cut off in the previous file is written whole in this one.
    if (held[0] !== undefined) held[0].written = 0;
  }

  /** A name beside `path` that nothing has, so that no earlier log is overwritten. */
  function archivedName(path: string): string {
    const stem = `${path}.${strftime("%Y%m%d%H%M%S", options.now())}`;
    let name = stem;
    for (let count = 1; existsSync(name); count++) name = `${stem}.${count}`;
    return name;
  }

  function rotateIfDue(next: number): void {
    if (file.size === 0 || held.length > 0) return;
    const tooLarge = options.rotationSize > 0 && file.size + next > options.rotationSize;
    const tooOld = options.rotationAge > 0 && options.now() - file.born >= options.rotationAge * 1000;
    if (!tooLarge && !tooOld) return;
    try {
      const path = strftime(options.path, options.now());
      // A pattern that yields another name opens another file by itself; the same name is moved out of the way.
      if (path === file.path && existsSync(path)) renameSync(path, archivedName(path));
      replace();
    } catch (error) {
      options.complain(`moneta: the log file "${file.path}" could not be rotated and goes on: ${messageOf(error)}\n`);
    }
  }

  function hold(text: string): boolean {
    const bytes = Buffer.from(text);
    if (heldBytes + bytes.length > heldBytesLimit) return false;
    held.push({ bytes, written: 0 });
    heldBytes += bytes.length;
    return true;
  }

  /** Writes the held lines in order; throws where the file takes no more, and can be called again. */
  function drain(): void {
    for (let first = held[0]; first !== undefined; first = held[0]) {
      while (first.written < first.bytes.length) {
        const written = writeBytes(file.descriptor, first.bytes.subarray(first.written));
        first.written += written;
        file.size += written;
      }
      held.shift();
      heldBytes -= first.bytes.length;
      if (held.length === 0 && missing > 0) {
        hold(
          `moneta: ${missing} lines are missing here: they went to standard error while this file could not be written\n`,
        );
        missing = 0;
      }
    }
  }

  return {
    get path() {
      return file.path;
    },
    write: (line) => {
      const failing = held.length > 0;
      rotateIfDue(Buffer.byteLength(line) + 1);
      if (!hold(`${line}\n`)) missing += 1;
      try {
        drain();
      } catch (error) {
        if (!failing)
          options.complain(
            `moneta: the log file "${file.path}" cannot be written, lines go here: ${messageOf(error)}\n`,
          );
        options.complain(`${line}\n`);
      }
    },
    reopen: () => {
      try {
        replace();
      } catch (error) {
        options.complain(`moneta: the log file "${options.path}" could not be opened again: ${messageOf(error)}\n`);
      }
    },
    close: () => {
      try {
        drain();
      } catch (error) {
        options.complain(
          `moneta: ${held.length + missing} lines never reached the log file "${file.path}": ${messageOf(error)}\n`,
        );
      }
      closeSync(file.descriptor);
    },
  };
}
