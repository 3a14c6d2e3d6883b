/** Carries out a trace on a disk of our imagination, and notes on the way what was promised to whom. */
import { createDisk, type Disk } from "./disk.ts";
import { bytesIn, firstDescriptorPath, pathsIn, traceEvents, type SystemCall, type TraceEvent } from "./system-calls.ts";

export interface ReplayEvents {
  /** A standby status update is on its way: everything before `flush` was promised to the server. */
  flushed?(thread: number, flush: bigint, disk: Disk): void;
  /** Text on its way to whoever reads the log. */
  said?(text: string, disk: Disk): void;
  /** A name below the root was given, before it is. */
  naming?(from: string, to: string, disk: Disk): void;
  named?(from: string, to: string, disk: Disk): void;
  opened?(thread: number, path: string): void;
  /** After each call that changed or promised anything; `step` counts them from 1. */
  step?(step: number, disk: Disk): void;
}

export interface ReplayOptions {
  /** As if no sync did anything: what judges the outcome must notice that. */
  readonly withoutSyncs?: boolean;
}

/** Replays what `file` holds for the files below `root`; the number of steps. */
export function replay(file: string, root: string, events: ReplayEvents, options: ReplayOptions = {}): number {
  const disk = createDisk(root);
  const inside = (path: string | undefined): path is string => path !== undefined && path.startsWith(`${root}/`);
  const syncs = new Map<number, () => void>();
  /** Directories whose making has begun. Two threads may make the same one, and the one that is refused may go on first. */
  const making = new Map<number, string>();
  const madeEarly = new Set<string>();
  let steps = 0;

  function beginning(event: Extract<TraceEvent, { phase: "begin" }>): boolean {
    const { args, name, id } = event;
    if (name === "mkdir" || name === "mkdirat") {
      const [path] = pathsIn(args);
      if (inside(path)) making.set(id, path);
      return false;
    }
    if (name === "fsync" || name === "fdatasync" || name === "syncfs") {
      const path = firstDescriptorPath(args);
      if (path !== root && !inside(path)) return false;
      const node = disk.at(path);
      // A file that lost its name meanwhile is of no interest.
      if (name === "syncfs") syncs.set(id, disk.syncing("all"));
      else if (node !== undefined) syncs.set(id, disk.syncing(node));
      return false;
    }
    if (name === "rename" || name === "link" || name === "renameat" || name === "renameat2" || name === "linkat") {
      const [from, to] = pathsIn(args);
      if (inside(from) && inside(to)) events.naming?.(from, to, disk);
      return false;
    }
    if (!["write", "writev", "sendto", "sendmsg"].includes(name)) return false;
    const path = firstDescriptorPath(args) ?? "";
    // Node makes socket pairs for what others would make pipes for.
    if (!/^(socket|pipe):/.test(path) || !args.includes('"')) return false;
    const bytes = bytesIn(args);
    if (bytes[0] === 0x64) return tellFlushes(event.thread, bytes);
    const text = bytes.toString("utf8");
    events.said?.(text, disk);
    return /^\d{4}-\d\d-\d\d /.test(text);
  }

  /** CopyData messages of 38 bytes, of type "r": write, flush, apply. */
  function tellFlushes(thread: number, bytes: Buffer): boolean {
    let told = false;
    for (let at = 0; at + 39 <= bytes.length && bytes[at] === 0x64; at += 1 + bytes.readUInt32BE(at + 1)) {
      if (bytes.readUInt32BE(at + 1) !== 38 || bytes[at + 5] !== 0x72) continue;
      events.flushed?.(thread, bytes.readBigUInt64BE(at + 14), disk);
      told = true;
    }
    return told;
  }

  function ending({ name, args, result, resultPath, thread }: SystemCall, id: number): boolean {
    if (result < 0) {
      syncs.delete(id);
      making.delete(id);
      return false;
    }
    switch (name) {
      case "fsync":
      case "fdatasync":
      case "syncfs": {
        const done = syncs.get(id);
        syncs.delete(id);
        if (options.withoutSyncs !== true) done?.();
        return done !== undefined;
      }
      case "open":
      case "openat":
      case "creat":
        return openFile(args, name, resultPath, thread);
      case "write":
      case "writev":
      case "pwrite64":
      case "pwritev":
        return writeFile(name, args, result);
      case "ftruncate":
      case "truncate":
        return truncateFile(args);
      case "mkdir":
      case "mkdirat":
      case "symlink":
      case "symlinkat": {
        const [first, second] = pathsIn(args);
        const path = name.startsWith("symlink") ? second : first;
        if (!inside(path)) return false;
        making.delete(id);
        if (name.startsWith("mkdir") && madeEarly.delete(path)) return true;
        makeParents(path);
        disk.create(path, name.startsWith("mkdir") ? "directory" : "link", name.startsWith("mkdir") ? "" : first);
        return true;
      }
      case "rename":
      case "renameat":
      case "renameat2":
      case "link":
      case "linkat": {
        const [from, to] = pathsIn(args);
        if (!inside(from) || !inside(to)) return false;
        if (name.startsWith("rename")) disk.rename(from, to);
        else disk.link(from, to);
        events.named?.(from, to, disk);
        return true;
      }
      case "unlink":
      case "unlinkat":
      case "rmdir": {
        const [path] = pathsIn(args);
        if (!inside(path)) return false;
        disk.remove(path);
        return true;
      }
      case "sync":
      case "sendto":
      case "sendmsg":
        return false;
      default:
        if (inside(firstDescriptorPath(args)) || pathsIn(args).some(inside)) throw new Error(`the replay does not know ${name}(${args.slice(0, 200)})`);
        return false;
    }
  }

  /** Something lies in a directory that nobody was seen to finish making: somebody is in the middle of it. */
  function makeParents(path: string): void {
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (!inside(parent) || disk.at(parent) !== undefined || ![...making.values()].includes(parent)) return;
    makeParents(parent);
    disk.create(parent, "directory");
    madeEarly.add(parent);
  }

  function openFile(args: string, name: string, resultPath: string | undefined, thread: number): boolean {
    const path = pathsIn(args)[0];
    if (!inside(path)) return false;
    // Once for opening it, so that who works on it is known.
    events.opened?.(thread, resultPath ?? path);
    const node = disk.at(path);
    if (node === undefined && (name === "creat" || args.includes("O_CREAT"))) {
      makeParents(path);
      disk.create(path, "file");
      return true;
    }
    if (node === undefined) throw new Error(`${path} was never made, and yet it is opened`);
    if (node.kind !== "file") return false;
    if (/O_DSYNC|O_SYNC|O_TMPFILE/.test(args)) throw new Error(`the replay does not know the flags of ${args.slice(0, 300)}`);
    node.position = args.includes("O_APPEND") ? Infinity : 0;
    if (!args.includes("O_TRUNC") && name !== "creat") return false;
    disk.truncate(node, 0);
    return true;
  }

  function writeFile(name: string, args: string, written: number): boolean {
    const path = firstDescriptorPath(args);
    if (!inside(path)) return false;
    const node = disk.at(path);
    if (node === undefined) return false;
    const data = bytesIn(args).subarray(0, written);
    const stated = name.startsWith("p") ? Number(/, (\d+)$/.exec(args)?.[1]) : node.position;
    const offset = stated === Infinity ? lengthOf(node) : stated;
    if (!name.startsWith("p")) node.position += written;
    disk.write(node, offset, data);
    return true;
  }

  const lengthOf = (node: { readonly writes: readonly { offset: number; data: Buffer | undefined }[] }): number =>
    node.writes.reduce((length, { offset, data }) => (data === undefined ? offset : Math.max(length, offset + data.length)), 0);

  function truncateFile(args: string): boolean {
    const path = firstDescriptorPath(args) ?? pathsIn(args)[0];
    const node = inside(path) ? disk.at(path) : undefined;
    if (node === undefined) return false;
    disk.truncate(node, Number(/, (\d+)$/.exec(args)?.[1]));
    return true;
  }

  for (const event of traceEvents(file)) {
    const counts = event.phase === "begin" ? beginning(event) : ending(event.call, event.id);
    if (!counts) continue;
    steps += 1;
    events.step?.(steps, disk);
  }
  return steps;
}
