/**
 * One sync for a tree of many files, which hears of every failed write-back since the tree was begun. Linux notes such
 * a failure once for the file system, and syncfs(2) reports it to a descriptor that was opened before it (errseq_t): a
 * `sync -f`, which opens at the end, hears nothing when somebody else's was told before. Node has no syncfs, so the
 * descriptor is opened by us at the start, and at the end a process that inherits it makes the call.
 */
import { spawn } from "node:child_process";
import { close, constants, open } from "node:fs";
import { statfs } from "node:fs/promises";
import { constants as system, release } from "node:os";
import { promisify } from "node:util";
import { syncFilesystem } from "./durable-file.ts";
import { commonErrors } from "./errors.ts";

export interface FilesystemSync {
  /**
   * False where the call does not hear of every file: each has to be synced before it is closed then. So it is where no program
   * can make it (and `sync` is `sync -f`), before Linux 5.8, which reports no failed write-back by it, and on FUSE, where it never
   * reaches the program that has the files (fuse_sync_fs).
   */
  readonly coversFiles: boolean;
  /** Makes everything durable that was written to the file system. Throws SYNC_FAILED. */
  sync(): Promise<void>;
  /** Gives the descriptor back. Repeatable. */
  close(): Promise<void>;
}

const openDescriptor = promisify(open);
const closeDescriptor = promisify(close);

/** Numbers of syncfs(2) by `process.arch`. */
const callNumbers: Readonly<Record<string, number>> = { x64: 306, ia32: 344, arm: 373, arm64: 267, riscv64: 267, loong64: 267, ppc64: 348, s390x: 338 };
/** The number that the inherited descriptor has in the program, and one that is surely closed. */
const inherited = 3;
const closed = 1000;

interface Program {
  readonly command: string;
  /** Ends with errno of the call as its exit status. */
  arguments(descriptor: number): string[];
}

function programs(): Program[] {
  const number = callNumbers[process.arch];
  const python = "import ctypes,sys\nl=ctypes.CDLL(None,use_errno=True)\nsys.exit(0 if l.syncfs(int(sys.argv[1]))==0 else ctypes.get_errno())";
  const perl = "exit(syscall(0+$ARGV[0],0+$ARGV[1])==0?0:$!+0)";
  return [
    ...(number === undefined ? [] : [{ command: "perl", arguments: (fd: number) => ["-e", perl, String(number), String(fd)] }]),
    { command: "python3", arguments: (fd: number) => ["-I", "-c", python, String(fd)] },
  ];
}

/** Exit status of the program; undefined when it cannot be started or is killed. */
function run(program: Program, descriptor: number, fd: number | "ignore"): Promise<number | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program.command, program.arguments(descriptor), { stdio: ["ignore", "ignore", "ignore", fd] });
    child.on("error", () => resolve(undefined));
    child.on("exit", (status) => resolve(status ?? undefined));
  });
}

let known: Promise<Program | undefined> | undefined;

/** The first program that makes the call: of a descriptor that is closed it says EBADF, and nothing else. */
function findProgram(): Promise<Program | undefined> {
  known ??= (async () => {
    for (const program of programs()) if ((await run(program, closed, "ignore")) === system.errno.EBADF) return program;
    return undefined;
  })();
  return known;
}

/** What the call depends on besides a program; tests say that it is something else. */
export interface SyncGround {
  /** Release of the kernel, as `uname -r` has it. */
  readonly release: string;
  /** The number by which statfs(2) names the kind of file system. */
  readonly typeOf: (directory: string) => Promise<number>;
}

const thisGround: SyncGround = { release: release(), typeOf: async (directory) => (await statfs(directory)).type };
/** FUSE_SUPER_MAGIC of linux/magic.h. */
const fuse = 0x65735546;

async function hearsOfFailures(directory: string, { release: text, typeOf }: SyncGround): Promise<boolean> {
  const [major = 0, minor = 0] = text.split(/[^0-9]+/, 2).map(Number);
  return (major > 5 || (major === 5 && minor >= 8)) && (await typeOf(directory)) !== fuse;
}

/** To be opened before the first byte is written below `directory`, and closed in any case. */
export async function openFilesystemSync(directory: string, ground: SyncGround = thisGround): Promise<FilesystemSync> {
  const program = await findProgram();
  const coversFiles = program !== undefined && (await hearsOfFailures(directory, ground));
  let fd: number | undefined = await openDescriptor(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  return {
    coversFiles,
    async sync() {
      if (program === undefined) {
        await syncFilesystem(directory);
        return;
      }
      const status = fd === undefined ? system.errno.EBADF : await run(program, inherited, fd);
      if (status === 0) return;
      const name = Object.entries(system.errno).find(([, number]) => number === status)?.[0] ?? `${program.command} ended with ${status ?? "a signal"}`;
      throw commonErrors.syncFailed(`the file system of "${directory}" could not be synced: ${name}`, { path: directory });
    },
    async close() {
      const open = fd;
      fd = undefined;
      if (open !== undefined) await closeDescriptor(open);
    },
  };
}
