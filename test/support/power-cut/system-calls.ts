/** Reads what strace wrote down (`-f -y -xx -o file`): which thread asked for what, when it asked and when it was answered. */
import { closeSync, openSync, readSync } from "node:fs";

/** Words before a program that have all its calls that change files or speak to others written to `file`. */
export function tracedBy(strace: string, file: string): readonly string[] {
  const calls = [
    ...["openat", "open", "creat", "write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg", "ftruncate", "truncate"],
    ...["fallocate", "fsync", "fdatasync", "syncfs", "sync", "sync_file_range", "rename", "renameat", "renameat2", "link"],
    ...["linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "symlink", "symlinkat", "copy_file_range", "sendfile"],
  ];
  // -D: the traced program keeps its place as our child; strings longer than any write, so that none is cut off.
  return [strace, "-D", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "8388608", "-o", file, "-e", `trace=${calls.join(",")}`];
}

export interface SystemCall {
  readonly thread: number;
  readonly name: string;
  /** Between the parentheses, as strace writes it. */
  readonly args: string;
  /** -1 when it failed. */
  readonly result: number;
  /** Path of the descriptor that was returned, if one was. */
  readonly resultPath: string | undefined;
}

/** A call begins and ends; between these two others may begin and end. */
export type TraceEvent =
  | { readonly phase: "begin"; readonly id: number; readonly thread: number; readonly name: string; readonly args: string }
  | { readonly phase: "end"; readonly id: number; readonly call: SystemCall };

/** The events of the whole trace, in their order. */
export function* traceEvents(file: string): Generator<TraceEvent> {
  const open = new Map<number, { readonly id: number; readonly name: string; readonly args: string }>();
  let id = 0;
  for (const line of linesOf(file)) {
    const [, threadText = "", rest = ""] = /^(\d+) +(.*)$/s.exec(line) ?? [];
    const thread = Number(threadText);
    const resumed = /^<\.\.\. (\w+) resumed>/.exec(rest);
    if (resumed !== null) {
      const begun = open.get(thread);
      open.delete(thread);
      if (begun === undefined) throw new Error(`a call ends that never began: ${line.slice(0, 200)}`);
      yield { phase: "end", id: begun.id, call: callOf(thread, begun.name, begun.args + rest.slice(resumed[0].length)) };
      continue;
    }
    const begin = /^(\w+)\(/.exec(rest);
    if (begin === null) continue;
    id += 1;
    const name = begin[1] ?? "";
    const body = rest.slice(begin[0].length);
    if (body.endsWith(" <unfinished ...>")) {
      const args = body.slice(0, -" <unfinished ...>".length);
      open.set(thread, { id, name, args });
      yield { phase: "begin", id, thread, name, args };
      continue;
    }
    const call = callOf(thread, name, body);
    yield { phase: "begin", id, thread, name, args: call.args };
    yield { phase: "end", id, call };
  }
}

function callOf(thread: number, name: string, text: string): SystemCall {
  // The result stands in a column of its own, if there is room.
  const equals = text.lastIndexOf(" = ");
  const at = text.lastIndexOf(")", equals);
  if (equals < 0 || at < 0) throw new Error(`a call without a result: ${name}(${text.slice(0, 200)}`);
  const [, number = "", path] = /^(-?\d+|\?)(?:<(.*)>)?/s.exec(text.slice(equals + 3)) ?? [];
  const result = number === "?" ? -1 : Number(number);
  return { thread, name, args: text.slice(0, at), result, resultPath: path === undefined ? undefined : unescape(path) };
}

/** The path of the descriptor that is the first argument; undefined for anything but a descriptor. */
export function firstDescriptorPath(args: string): string | undefined {
  const path = /^(?:\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>/.exec(args)?.[1];
  return path === undefined ? undefined : unescape(path);
}

/** Paths among the arguments, each made absolute by the directory descriptor before it. */
export function pathsIn(args: string): string[] {
  const found: string[] = [];
  const pattern = /(?:(?:AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>, )?"((?:\\x[0-9a-f]{2})*)"/g;
  for (const [, directory, text = ""] of args.matchAll(pattern)) {
    const path = unescape(text);
    found.push(path.startsWith("/") || directory === undefined ? path : `${unescape(directory)}/${path}`);
  }
  return found;
}

/** Bytes of all strings among the arguments, one after the other; throws if strace cut one off. */
export function bytesIn(args: string): Buffer {
  const pieces: Buffer[] = [];
  for (let at = args.indexOf('"'); at >= 0; ) {
    const end = args.indexOf('"', at + 1);
    if (args.startsWith("...", end + 1)) throw new Error(`strace cut a string off: ${args.slice(0, 100)}`);
    const bytes = Buffer.allocUnsafe((end - at - 1) / 4);
    for (let index = 0, from = at + 3; index < bytes.length; index += 1, from += 4) {
      bytes[index] = (digit(args.charCodeAt(from)) << 4) | digit(args.charCodeAt(from + 1));
    }
    pieces.push(bytes);
    at = args.indexOf('"', end + 1);
  }
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
}

const digit = (code: number): number => (code <= 57 ? code - 48 : code - 87);

function unescape(text: string): string {
  return Buffer.from(text.replaceAll("\\x", ""), "hex").toString("utf8");
}

/** Lines of a file that may be larger than a string. */
function* linesOf(file: string): Generator<string> {
  const fd = openSync(file, "r");
  const block = Buffer.allocUnsafe(4 * 1024 * 1024);
  let pieces: string[] = [];
  try {
    for (;;) {
      const read = readSync(fd, block, 0, block.length, null);
      if (read === 0) break;
      for (let from = 0; from < read; ) {
        const end = block.subarray(0, read).indexOf(0x0a, from);
        pieces.push(block.toString("latin1", from, end < 0 ? read : end));
        if (end < 0) break;
        yield pieces.join("");
        pieces = [];
        from = end + 1;
      }
    }
    if (pieces.length > 0) yield pieces.join("");
  } finally {
    closeSync(fd);
  }
}
