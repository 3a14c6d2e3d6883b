/** Damage to single files of a tree, of every kind that disks, people and attackers do, each of which can be undone. */
import { copyFileSync, existsSync, linkSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/** Where a file of the tree to be damaged lies, and which others the damage may draw on; absolute paths. */
export interface Victim {
  readonly path: string;
  /** Another file of the same tree, any. */
  readonly other: string;
  /** The file of the same name in another backup, or the like; undefined when there is none. */
  readonly twin: string | undefined;
}

export interface Corruption {
  /** What was done, to which file. */
  readonly what: string;
  /** Paths whose content is not what it was, or which are gone. */
  readonly changed: readonly string[];
  undo(): void;
}

type Numbers = () => number;
type Change = (bytes: Buffer, random: Numbers) => Buffer | undefined;

/** Each gives the new content; undefined when the file is too small for it. The content given may be changed. */
const changes: Readonly<Record<string, Change>> = {
  "one bit flipped": (bytes, random) => {
    if (bytes.length === 0) return undefined;
    const at = random() % bytes.length;
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random() % 8);
    return bytes;
  },
  "one byte replaced": (bytes, random) => {
    if (bytes.length === 0) return undefined;
    const at = random() % bytes.length;
    bytes[at] = (bytes[at] ?? 0) + 1 + (random() % 255);
    return bytes;
  },
  "a digit replaced by another": (bytes, random) => {
    const digits = [...bytes.subarray(0, 65_536).entries()].filter(([, byte]) => byte >= 0x30 && byte <= 0x39);
    const [at, digit] = digits[random() % Math.max(1, digits.length)] ?? [];
    if (at === undefined || digit === undefined) return undefined;
    bytes[at] = 0x30 + ((digit - 0x30 + 1 + (random() % 9)) % 10);
    return bytes;
  },
  "the last byte cut": (bytes) => (bytes.length === 0 ? undefined : bytes.subarray(0, -1)),
  "cut somewhere": (bytes, random) => (bytes.length === 0 ? undefined : bytes.subarray(0, random() % bytes.length)),
  emptied: (bytes) => (bytes.length === 0 ? undefined : Buffer.alloc(0)),
  "a byte behind the end": (bytes, random) => Buffer.concat([bytes, Buffer.of(random() & 0xff)]),
  "zeros behind the end": (bytes) => Buffer.concat([bytes, Buffer.alloc(4096)]),
  "its own content once more": (bytes) => (bytes.length === 0 ? undefined : Buffer.concat([bytes, bytes])),
  "a block of zeros": (bytes, random) => {
    if (bytes.length < 16) return undefined;
    const length = Math.min(4096, Math.floor(bytes.length / 2));
    const at = random() % (bytes.length - length);
    if (bytes.subarray(at, at + length).every((byte) => byte === 0)) return undefined;
    return bytes.fill(0, at, at + length);
  },
  "two pieces swapped": (bytes, random) => {
    if (bytes.length < 32) return undefined;
    const length = Math.min(8192, Math.floor(bytes.length / 4));
    const one = random() % (Math.floor(bytes.length / 2) - length);
    const two = Math.floor(bytes.length / 2) + (random() % (Math.floor(bytes.length / 2) - length));
    const kept = Buffer.from(bytes.subarray(one, one + length));
    if (kept.equals(bytes.subarray(two, two + length))) return undefined;
    bytes.copyWithin(one, two, two + length);
    kept.copy(bytes, two);
    return bytes;
  },
  // Where a file is stored as it is, its chunks are of this length: each of them stays whole.
  "two chunks swapped": (bytes, random) => {
    const length = 1024 * 1024;
    const chunks = Math.floor(bytes.length / length);
    if (chunks < 2) return undefined;
    const one = random() % chunks;
    const two = (one + 1 + (random() % (chunks - 1))) % chunks;
    const kept = Buffer.from(bytes.subarray(one * length, (one + 1) * length));
    bytes.copyWithin(one * length, two * length, (two + 1) * length);
    kept.copy(bytes, two * length);
    return bytes;
  },
  "a piece left out": (bytes, random) => {
    if (bytes.length < 8) return undefined;
    const at = random() % (bytes.length - 4);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 4)]);
  },
};

/** Done with names rather than with bytes. */
const moves = ["removed", "swapped with another file", "replaced by another file", "replaced by its twin", "doubled under another name"] as const;

export const corruptionKinds: readonly string[] = [...Object.keys(changes), ...moves];

/**
 * Does it. Undefined when it would change nothing, or cannot be done to this file. Never written through a hard link:
 * the damaged file is a new one.
 */
export function corrupt(kind: string, { path, other, twin }: Victim, random: Numbers): Corruption | undefined {
  const change = changes[kind];
  if (change !== undefined) {
    const before = readFileSync(path);
    const after = change(Buffer.from(before), random);
    return after === undefined || after.equals(before) ? undefined : replace(kind, [[path, after]]);
  }
  switch (kind) {
    case "removed":
      return replace(kind, [[path, undefined]]);
    case "swapped with another file":
    case "replaced by another file":
    case "replaced by its twin": {
      const from = kind === "replaced by its twin" ? twin : other;
      if (from === undefined || from === path) return undefined;
      const mine = readFileSync(path);
      const theirs = readFileSync(from);
      if (mine.equals(theirs)) return undefined;
      const what = `${kind} (${from})`;
      return replace(what, kind === "swapped with another file" ? [[path, theirs], [from, mine]] : [[path, theirs]]);
    }
    default: {
      const copy = join(dirname(path), doubledName(basename(path)));
      if (existsSync(copy)) return undefined;
      copyFileSync(path, copy);
      return { what: `${kind} (${copy})`, changed: [copy], undo: () => rmSync(copy) };
    }
  }
}

/** A name that a careless copy gets, but of WAL, where the next name would mean the most, that one. */
function doubledName(name: string): string {
  const segment = /^([0-9A-F]{16})([0-9A-F]{8})(.*)$/.exec(name);
  if (segment === null) return `${name}.copy`;
  const [, head = "", number = "0", rest = ""] = segment;
  return `${head}${(Number.parseInt(number, 16) + 1).toString(16).toUpperCase().padStart(8, "0")}${rest}`;
}

function replace(what: string, contents: readonly (readonly [path: string, bytes: Buffer | undefined])[]): Corruption {
  const kept = mkdtempSync(join(tmpdir(), "mcorrupt-"));
  for (const [index, [path, bytes]] of contents.entries()) {
    const { mode } = statSync(path);
    moveAside(path, join(kept, String(index)));
    if (bytes !== undefined) writeFileSync(path, bytes, { mode });
  }
  const changed = contents.map(([path]) => path);
  return {
    what: `${what}: ${changed[0] ?? ""}`,
    changed,
    undo() {
      for (const [index, [path]] of contents.entries()) {
        rmSync(path, { force: true });
        renameSync(join(kept, String(index)), path);
      }
      rmSync(kept, { recursive: true });
    },
  };
}

function moveAside(path: string, to: string): void {
  linkSync(path, to);
  unlinkSync(path);
}
