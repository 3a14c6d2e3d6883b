/**
 * The contract of every place that keeps a repository: a tree of named bytes.
 *
 * Paths are relative to the root of the storage, their parts separated by `/`, in the project's form of file names
 * (`pathFromBytes`: UTF-8, any other byte escaped). A path with an empty part, `.`, `..`, a leading `/` or a zero
 * byte is STORAGE_PATH_REFUSED. Nothing that a method promised is undone by a crash afterwards.
 */
import type { ByteSink, DurableSink, RandomReader } from "./streams.ts";

export type EntryKind = "file" | "directory" | "symlink" | "other";

/** One name in a directory. */
export interface Entry {
  /** Last part of the path. */
  readonly name: string;
  /** What the name itself is: links are not followed. */
  readonly kind: EntryKind;
}

/** What opening a path would give: links are followed. */
export interface EntryFacts {
  /** Bytes. */
  readonly size: number;
  /** Time of the last change of the content, milliseconds since 1970. */
  readonly mtimeMs: number;
  readonly kind: EntryKind;
}

/** Room in the place where `path` lies, in bytes; `free` is what this account may still write. */
export interface Space {
  readonly total: number;
  readonly free: number;
}

/** What a removal took away. */
export interface Removal {
  readonly files: number;
  readonly directories: number;
}

/** A stored file that a tree may share, and what it must still look like. */
export interface SharedFile {
  /** Path within the storage. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Its content was complete by then, milliseconds since 1970: a later change of it is somebody else's. */
  readonly completeSince: number;
}

/** A symbolic link, and the stored file that takes its place. Both are paths within the storage. */
export interface ReplacedLink {
  readonly path: string;
  readonly source: string;
}

/** A tree being built: invisible until `commit`, complete and durable from then on. */
export interface StoredTree {
  /** Path under which the tree becomes visible. */
  readonly path: string;
  /** Path under which it is built meanwhile. */
  readonly temporaryPath: string;
  /** A new file; directories above it are made as needed. STORAGE_EXISTS if the name is taken. */
  createFile(relative: string): Promise<ByteSink>;
  /** A directory with those above it; one that exists already is fine. */
  makeDirectory(relative: string): Promise<void>;
  /** A symbolic link whose `target` is relative and stays within the tree (STORAGE_PATH_REFUSED otherwise). */
  makeSymlink(relative: string, target: string): Promise<void>;
  /**
   * Gives a stored file a second name, `relative`, in this tree instead of storing its bytes once more; a file of the tree
   * that has the name already, also one that is still open, is replaced. Either tree can be removed without harm to the other.
   * Undefined when it is done; otherwise why it was not (no such file any more, not as it was, no such thing here), and
   * nothing has changed.
   */
  shareFile(relative: string, source: SharedFile): Promise<string | undefined>;
  /**
   * Makes everything durable, then visible at once. Refuses with STORAGE_MISUSE while a file is still open and when
   * a file failed or was aborted: an incomplete tree never becomes visible.
   */
  commit(): Promise<void>;
  /** Gives the tree up and removes it. Safe after a failed commit; after a commit it does nothing. */
  abort(): Promise<void>;
}

export interface Storage {
  /** Where this is, for messages. */
  readonly root: string;
  /** Whether a thread that opens a local storage in `root` by itself makes the same calls. */
  readonly threads: boolean;
  /** Starts a tree that will be visible as `path`. STORAGE_EXISTS when it, or an earlier unfinished one, lies there. */
  openTree(path: string): Promise<StoredTree>;
  /** Starts one file that will be visible as `path`. */
  createFile(path: string): Promise<DurableSink>;
  /** Replaces or creates a small file in one step: readers see the old content or the new. */
  replaceFile(path: string, content: string | Uint8Array): Promise<void>;
  /**
   * The same for what one writer replaces every few seconds, at a fraction of the cost: after a power cut the file may have
   * an earlier content, which must be as true.
   */
  renewFile(path: string, content: string | Uint8Array): Promise<void>;
  /**
   * Replaces a small file, at most `maxBytes` long, by what `change` makes of its content. Of several such changes at one
   * time, in whatever processes, each sees what the one before it made. `change` may throw; then nothing is written.
   */
  changeFile(path: string, maxBytes: number, change: (before: Buffer) => string | Uint8Array): Promise<void>;
  /**
   * Runs `work` while nobody else works in the directory `path` through this method or `changeFile`, in whatever process; the
   * directory is made if it is missing. It ends with the process, too. Throws STORAGE_FAILED when it is not free in half a
   * minute. `work` must not call either method for the same directory.
   */
  exclusively<T>(path: string, work: () => Promise<T>): Promise<T>;
  /**
   * Appends one line (without its newline) durably. A torn last line, left by a crash, is cut off first: it was never
   * promised to anybody. One writer a file. Returns how many bytes were cut off.
   */
  appendLine(path: string, line: string): Promise<number>;
  openFile(path: string): Promise<RandomReader>;
  /** A whole small file; STORAGE_FAILED when it is larger than `maxBytes`, so that no file decides over our memory. */
  readFile(path: string, maxBytes: number): Promise<Buffer>;
  /** Undefined when there is nothing, or a link that leads nowhere. */
  stat(path: string): Promise<EntryFacts | undefined>;
  /** Whether both paths are names of one file, so that whoever has read the one has read the other. False when one is missing. */
  isSameFile(one: string, other: string): Promise<boolean>;
  /** The names in a directory in no particular order, read piece by piece; an absent directory has none. */
  entries(path: string): AsyncIterable<Entry>;
  /** The names in a directory, sorted by code unit; an absent directory has none. */
  list(path: string): Promise<Entry[]>;
  /** Where a symbolic link leads, as it was written. */
  readLink(path: string): Promise<string>;
  /**
   * Puts stored files in the place of symbolic links that lead to them, each in one step: a reader finds the same bytes at any
   * instant, and afterwards the link's name stays when the other one goes. A file that can have no further name there is copied.
   * All are durable when the promise is fulfilled; stopped before, some are links and some are files, and it can be repeated.
   * Each is made at `temporary` first, on which a crash can leave it.
   */
  replaceLinks(links: readonly ReplacedLink[], temporary: string): Promise<void>;
  /** A directory and those above it, durable. */
  makeDirectory(path: string): Promise<void>;
  /** Makes what is written to a file so far durable, and its name, whoever wrote it: that one may have been killed in between. */
  syncFile(path: string): Promise<void>;
  /** Removes a file or link durably. False when there was none, so that a removal can be repeated. */
  removeFile(path: string): Promise<boolean>;
  /**
   * Gives a file or tree another path in one step, durably; the directories above `to` are made. False when there is nothing
   * at `from`, so that it can be repeated. Throws STORAGE_EXISTS when something else is at `to`.
   */
  move(from: string, to: string): Promise<boolean>;
  /** Takes a tree out of view: renames it to `hiddenName`, durably. Returns its new path. */
  hideTree(path: string): Promise<string>;
  /**
   * Removes a tree: hides it first unless its name says that it is hidden or unfinished, then deletes. Can be stopped
   * at any point and repeated; an absent tree is no error.
   */
  removeTree(path: string): Promise<Removal>;
  /** Room where `path` (default: the root) lies. */
  freeSpace(path?: string): Promise<Space>;
}

/** A storage that is a directory of this machine. */
export interface LocalStorage extends Storage {
  /** Absolute path of `path`, for those that write in place (the receiver's segment being written). */
  absolutePath(path: string): string;
}
