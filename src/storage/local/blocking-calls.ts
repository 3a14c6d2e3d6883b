/**
 * The calls of a file that is read or written by a thread of its own: the thread waits for each of them, which costs a
 * fraction of the way over libuv's pool and back. Not for an event loop that others wait for.
 */
import fs from "node:fs";
import { systemCalls, type FileCalls } from "./file-calls.ts";

/** Reading, writing and what belongs to one open file blocks; the rest is as in `systemCalls`. */
export const blockingCalls: FileCalls = {
  ...systemCalls,
  open: async (path, flags, mode) => fs.openSync(path, flags, mode),
  write: async (fd, data, position) => fs.writeSync(fd, data, 0, data.length, position),
  read: async (fd, into, position) => fs.readSync(fd, into, 0, into.length, position),
  fsync: async (fd) => fs.fsyncSync(fd),
  ftruncate: async (fd, length) => fs.ftruncateSync(fd, length),
  fchmod: async (fd, mode) => fs.fchmodSync(fd, mode),
  fstat: async (fd) => fs.fstatSync(fd),
  close: async (fd) => fs.closeSync(fd),
};
