/**
 * What a disk may hold after a power cut. Each change is written down with its number; fsync, fdatasync and syncfs say
 * which of them are certain. POSIX promises no more: the bytes of a file by a sync of the file, its name by a sync of
 * its directory. ext4, XFS and Btrfs promise more, so whatever survives here survives there.
 */
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, symlinkSync, writeSync } from "node:fs";

interface Write {
  readonly number: number;
  readonly offset: number;
  /** Undefined: the file was given this length. */
  readonly data: Buffer | undefined;
}

export interface Node {
  readonly id: number;
  readonly kind: "file" | "directory" | "link";
  readonly target: string;
  readonly writes: Write[];
  /** Changes with a lower number are certain. */
  synced: number;
  /** Where a write without a position goes. */
  position: number;
  /** The content after so many writes, kept because most files stay as they are. */
  whole: { readonly writes: number; readonly content: Content } | undefined;
}

/** Bytes of a file and their digest, both made once when they are asked for. */
export interface Content {
  readonly bytes: () => Buffer;
  readonly digest: () => string;
}

/** One change of names; a rename is one, whatever happens. */
interface Naming {
  readonly number: number;
  readonly remove?: { readonly directory: Node; readonly name: string };
  readonly add?: { readonly directory: Node; readonly name: string; readonly node: Node };
}

/** What is there after the cut: paths below the root, in order, with their contents. */
export type Survivors = ReadonlyMap<string, { readonly kind: Node["kind"]; readonly target: string } & Content>;

/**
 * `lost`: nothing that is not certain. `names`: every name, but no byte that is not certain. `chance`: names up to some
 * moment, as a journal has them, and of the other bytes whatever the disk happened to write, cut at its sectors.
 */
export type Outcome = "lost" | "names" | "chance" | "everything";

export interface Disk {
  /** The node at an absolute path as running programs see it. */
  at(path: string): Node | undefined;
  create(path: string, kind: Node["kind"], target?: string): Node;
  write(node: Node, offset: number, data: Buffer): void;
  truncate(node: Node, length: number): void;
  link(from: string, to: string): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** To be called when a sync begins; what it returns when it has succeeded. */
  syncing(node: Node | "all"): () => void;
  /** Whether every byte, and below a directory every name, is certain. */
  isCertain(node: Node): boolean;
  /** Whether the present name is certain. */
  isNamed(path: string): boolean;
  /** Certain length of a file. */
  certainLength(node: Node): number;
  survivors(outcome: Outcome, below: (limit: number) => number): Survivors;
}

const sector = 512;

/** A disk whose directory `root` exists, empty and certain. */
export function createDisk(root: string): Disk {
  let number = 0;
  let ids = 0;
  let allSynced = 0;
  const namings: Naming[] = [];
  const present = new Map<Node, Map<string, Node>>();
  const newNode = (kind: Node["kind"], target = ""): Node => ({ id: (ids += 1), kind, target, writes: [], synced: 0, position: 0, whole: undefined });
  const top = newNode("directory");
  const partsOf = (path: string): string[] => path.slice(root.length).split("/").filter((part) => part !== "");

  function at(path: string): Node | undefined {
    let node: Node | undefined = top;
    for (const part of partsOf(path)) node = node === undefined ? undefined : present.get(node)?.get(part);
    return node;
  }

  function place(path: string): { directory: Node; name: string } {
    const slash = path.lastIndexOf("/");
    const directory = at(path.slice(0, slash));
    if (directory === undefined) throw new Error(`the directory of ${path} was never made`);
    return { directory, name: path.slice(slash + 1) };
  }

  function apply(names: Map<Node, Map<string, Node>>, { remove, add }: Naming): void {
    if (remove !== undefined) names.get(remove.directory)?.delete(remove.name);
    if (add === undefined) return;
    const entries = names.get(add.directory) ?? new Map<string, Node>();
    names.set(add.directory, entries.set(add.name, add.node));
  }

  function note(naming: Omit<Naming, "number">): void {
    const full = { number: (number += 1), ...naming };
    namings.push(full);
    apply(present, full);
  }

  const certain = (change: number, node: Node): boolean => change <= Math.max(node.synced, allSynced);
  const namingIsCertain = ({ number: change, add, remove }: Naming): boolean => {
    const directory = add?.directory ?? remove?.directory;
    return directory !== undefined && certain(change, directory);
  };

  function contentOf(node: Node, writes: readonly Write[]): Content {
    if (writes.length !== node.writes.length || writes.some((write, index) => write !== node.writes[index])) return lazily(writes);
    if (node.whole?.writes !== writes.length) node.whole = { writes: writes.length, content: lazily([...writes]) };
    return node.whole.content;
  }

  function survivingWrites(node: Node, outcome: Outcome, below: (limit: number) => number): readonly Write[] {
    if (outcome === "everything") return node.writes;
    return node.writes.flatMap((write) => {
      if (certain(write.number, node)) return [write];
      const chance = outcome === "chance" ? below(3) : 0;
      if (chance < 1) return [];
      if (chance < 2 || write.data === undefined) return [write];
      return [{ ...write, data: write.data.subarray(0, Math.floor(below(write.data.length) / sector) * sector) }];
    });
  }

  return {
    at,
    create(path, kind, target = "") {
      const node = newNode(kind, target);
      note({ add: { ...place(path), node } });
      return node;
    },
    write(node, offset, data) {
      node.writes.push({ number: (number += 1), offset, data });
    },
    truncate(node, length) {
      node.writes.push({ number: (number += 1), offset: length, data: undefined });
    },
    link(from, to) {
      const node = at(from);
      if (node === undefined) throw new Error(`${from} was never made`);
      note({ add: { ...place(to), node } });
    },
    rename(from, to) {
      const node = at(from);
      if (node === undefined) throw new Error(`${from} was never made`);
      note({ remove: place(from), add: { ...place(to), node } });
    },
    remove(path) {
      note({ remove: place(path) });
    },
    syncing(node) {
      const until = number;
      return () => {
        if (node === "all") allSynced = Math.max(allSynced, until);
        else node.synced = Math.max(node.synced, until);
      };
    },
    isCertain(node) {
      if (node.writes.some(({ number: change }) => !certain(change, node))) return false;
      if (node.kind !== "directory") return true;
      const open = namings.some((naming) => (naming.add?.directory === node || naming.remove?.directory === node) && !namingIsCertain(naming));
      if (open) return false;
      return [...(present.get(node)?.values() ?? [])].every((child) => this.isCertain(child));
    },
    isNamed(path) {
      const { directory, name } = place(path);
      const last = namings.findLast(({ add, remove }) => [add, remove].some((one) => one?.directory === directory && one.name === name));
      return last?.add?.name === name && namingIsCertain(last);
    },
    certainLength: (node) => lengthOf(node.writes.filter(({ number: change }) => certain(change, node))),
    survivors(outcome, below) {
      const until = outcome === "lost" ? 0 : outcome === "chance" ? below(number + 1) : number;
      const names = new Map<Node, Map<string, Node>>();
      for (const naming of namings) if (naming.number <= until || namingIsCertain(naming)) apply(names, naming);
      const found = new Map<string, { kind: Node["kind"]; target: string } & Content>();
      const walk = (directory: Node, path: string): void => {
        for (const [name, node] of [...(names.get(directory) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
          const full = path === "" ? name : `${path}/${name}`;
          const writes = node.kind === "file" ? survivingWrites(node, outcome, below) : [];
          found.set(full, { kind: node.kind, target: node.target, ...contentOf(node, writes) });
          if (node.kind === "directory") walk(node, full);
        }
      };
      walk(top, "");
      return found;
    },
  };
}

function lengthOf(writes: readonly Write[]): number {
  return writes.reduce((length, { offset, data }) => (data === undefined ? offset : Math.max(length, offset + data.length)), 0);
}

function lazily(writes: readonly Write[]): Content {
  let bytes: Buffer | undefined;
  let digest: string | undefined;
  const content: Content = {
    bytes() {
      if (bytes !== undefined) return bytes;
      // Room for what was written and cut off again.
      const room = Buffer.alloc(writes.reduce((most, { offset, data }) => Math.max(most, offset + (data?.length ?? 0)), 0));
      for (const { offset, data } of writes) {
        if (data === undefined) room.fill(0, offset);
        else data.copy(room, offset);
      }
      bytes = room.subarray(0, lengthOf(writes));
      return bytes;
    },
    digest: () => (digest ??= createHash("sha256").update(content.bytes()).digest("hex")),
  };
  return content;
}

/** Makes real files of what survived, in the empty directory `root`. */
export function layOut(survivors: Survivors, root: string): void {
  for (const [path, { kind, target, bytes }] of survivors) {
    const full = `${root}/${path}`;
    if (kind === "directory") mkdirSync(full, { mode: 0o700 });
    else if (kind === "link") symlinkSync(target, full);
    else {
      const fd = openSync(full, "wx", 0o600);
      const content = bytes();
      if (content.length > 0) writeSync(fd, content);
      closeSync(fd);
    }
  }
}

/** One line a path with the digest of its content, to compare two trees by. */
export function digestsOf(survivors: Survivors, directory: string): string[] {
  const lines: string[] = [];
  for (const [path, { kind, target, digest }] of survivors) {
    if (!path.startsWith(`${directory}/`)) continue;
    lines.push(`${path} ${kind} ${kind === "file" ? digest() : target}`);
  }
  return lines;
}
