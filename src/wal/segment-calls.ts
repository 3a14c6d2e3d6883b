/** The system calls of a segment being received that can fail in ways which must be tried: a full disk, a disk that refuses a sync. */
import { fdatasync, fdatasyncSync, fsyncSync, readSync, writeSync } from "node:fs";
import { syncDirectorySync } from "../common/index.ts";

export interface SegmentCalls {
  read(fd: number, target: Uint8Array, position: number): number;
  write(fd: number, data: Uint8Array, position: number): number;
  datasync(fd: number): void;
  /** In a thread; the descriptor must stay open until `done` is called. */
  datasyncBeside(fd: number, done: (error: Error | null) => void): void;
  sync(fd: number): void;
  /** Of the directory, when a new file has got its name in it. */
  syncNames(directory: string): void;
}

export const systemSegmentCalls: SegmentCalls = {
  read: (fd, target, position) => readSync(fd, target, 0, target.length, position),
  write: (fd, data, position) => writeSync(fd, data, 0, data.length, position),
  datasync: fdatasyncSync,
  datasyncBeside: fdatasync,
  sync: fsyncSync,
  syncNames: syncDirectorySync,
};
