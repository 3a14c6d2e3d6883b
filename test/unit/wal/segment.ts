/** A WAL directory for a test, segments in it, and a disk that fails on command. */
import { closeSync, fstatSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { lsn } from "../../../src/postgres/index.ts";
import { systemSegmentCalls, type SegmentCalls } from "../../../src/wal/segment-calls.ts";
import { openSegmentFile, type SegmentFile, type SegmentFileOptions } from "../../../src/wal/segment-file.ts";
import { temporaryDirectory, type TemporaryDirectory } from "../../support/temporary-directory.ts";

export const megabyte = 1024 * 1024;
export const segment = "000000010000000000000003";

/** A system error as Node throws it. */
export const systemError = (code: string): Error => Object.assign(new Error(`${code}: made by the test`), { code });

/** The system's calls, which count themselves and fail when `fail` says so. */
export interface FaultyDisk extends SegmentCalls {
  readonly counts: Record<keyof SegmentCalls, number>;
  fail: (call: keyof SegmentCalls) => Error | undefined;
  /** A write takes so many bytes at most. */
  shortWrites: number;
  /** Lengths of files when a `datasync` began that ended well. */
  readonly synced: readonly number[];
}

export function faultyDisk(): FaultyDisk {
  const before = (call: keyof FaultyDisk["counts"]): void => {
    disk.counts[call] += 1;
    const error = disk.fail(call);
    if (error !== undefined) throw error;
  };
  const synced: number[] = [];
  const disk: FaultyDisk = {
    counts: { read: 0, write: 0, datasync: 0, datasyncBeside: 0, sync: 0, syncNames: 0 },
    synced,
    fail: () => undefined,
    shortWrites: Infinity,
    read(fd, target, position) {
      before("read");
      return systemSegmentCalls.read(fd, target, position);
    },
    write(fd, data, position) {
      before("write");
      return systemSegmentCalls.write(fd, data.subarray(0, Math.min(data.length, disk.shortWrites)), position);
    },
    datasync(fd) {
      before("datasync");
      const { size } = fstatSync(fd);
      systemSegmentCalls.datasync(fd);
      synced.push(size);
    },
    datasyncBeside(fd, done) {
      disk.counts.datasyncBeside += 1;
      const error = disk.fail("datasyncBeside");
      if (error === undefined) systemSegmentCalls.datasyncBeside(fd, done);
      else setImmediate(done, error);
    },
    sync(fd) {
      before("sync");
      systemSegmentCalls.sync(fd);
    },
    syncNames(path) {
      before("syncNames");
      systemSegmentCalls.syncNames(path);
    },
  };
  return disk;
}

export interface WalDirectory {
  readonly path: string;
  put(name: string, content: Uint8Array): void;
  read(name: string): Buffer;
  names(): string[];
  remove(name: string): void;
  open(options?: Partial<SegmentFileOptions>): SegmentFile;
}

/** A directory for each test of the file; segments that it left open are closed. */
export function eachTestHasAWalDirectory(): WalDirectory {
  let directory: TemporaryDirectory;
  const opened: SegmentFile[] = [];
  beforeEach(() => {
    directory = temporaryDirectory({ prefix: "wal" });
  });
  afterEach(async () => {
    for (const file of opened.splice(0)) file.close();
    await directory.remove();
  });
  return {
    get path() {
      return directory.path;
    },
    put: (name, content) => {
      writeFileSync(join(directory.path, name), content);
    },
    read: (name) => readFileSync(join(directory.path, name)),
    names: () => readdirSync(directory.path).sort(),
    remove: (name) => {
      rmSync(join(directory.path, name));
    },
    open(options = {}) {
      const file = openSegmentFile({ directory: directory.path, name: segment, start: lsn(0x300000), segmentSize: megabyte, existing: 0, ...options });
      opened.push(file);
      return file;
    },
  };
}

/** How many descriptors this process has open; a new one takes the lowest free number. */
export function lowestFreeDescriptor(): number {
  const fd = openSync("/dev/null", "r");
  closeSync(fd);
  return fd;
}
