/**
 * One sync for a tree of many files, which hears of every failed write-back since the tree was begun. Linux notes such
 * a failure once for the file system, and syncfs(2) reports it to a descriptor that was opened before it (errseq_t): a
 * `sync -f`, which opens at the end, hears nothing when somebody else's was told before. Node has no syncfs, so the
 * descriptor is opened by us at the start, and at the end a process that inherits it makes the call.
 */
import { spawn } from "node:child_process";
import { close, constants, open } from "node:fs";
import { constants as system } from "node:os";
import { promisify } from "node:util";
import { syncFilesystem } from "./durable-file.ts";
import { commonErrors } from "./errors.ts";

export interface FilesystemSync {
  /**
   * False where no program can make the call: then `sync` is `sync -f`, and each file has to be synced before it is
   * closed.
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

/** To be opened before the first byte is written below `directory`, and closed in any case. */
export async function openFilesystemSync(directory: string): Promise<FilesystemSync> {
  const program = await findProgram();
  let fd: number | undefined = await openDescriptor(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  return {
    coversFiles: program !== undefined,
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
