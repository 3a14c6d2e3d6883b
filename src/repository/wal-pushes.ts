/**
 * What `archive_command` brought, and what of it was refused: `wal_push.json`. Written by whoever pushes, one at a time, with
 * or without a daemon; a daemon looks whether it changed.
 */
import type { Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { isCount, isMoment, isText } from "./json-shape.ts";
import { serverLayout } from "./layout.ts";

/** Other content was pushed than is stored. */
export interface WalConflict {
  /** As PostgreSQL calls the file. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** A sentence for the operator. */
  readonly message: string;
}

export interface WalPushes {
  /** Segments that were stored because they were pushed, and their stored bytes. */
  readonly segments: number;
  readonly storedBytes: number;
  /** The names of the last of them, the newest last. */
  readonly recent: readonly string[];
  /** The last file that was taken; undefined before the first. */
  readonly last: { readonly name: string; readonly at: number } | undefined;
  /** The oldest first; one goes when its file is pushed with the content that is stored. */
  readonly conflicts: readonly WalConflict[];
}

export interface WalPushStore {
  /** What changes whenever the file does; undefined when there is none. */
  print(): Promise<string | undefined>;
  /** Nothing when there is no file, or none that can be read: what was refused stands in the server's log, too. */
  read(): Promise<WalPushes>;
  /** Notes a file that is durable in the repository. `storedBytes` of a segment that was not there before. */
  taken(name: string, at: number, storedBytes: number | undefined): Promise<void>;
  /** Notes a file that was refused, durably. */
  refused(conflict: WalConflict): Promise<void>;
}

const largestFile = 1024 * 1024;
/** More of them tell nothing new. */
const mostConflicts = 100;
/** So many names are kept: more than arrive between two looks of a daemon, unless after a long outage. */
const mostRecent = 64;
const nothing: WalPushes = { segments: 0, storedBytes: 0, recent: [], last: undefined, conflicts: [] };

function conflictOf(value: unknown): WalConflict | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { name, at, message } = value as Record<string, unknown>;
  return isText(name) && isMoment(at) && isText(message) ? { name, at, message } : undefined;
}

export function openWalPushes(storage: Storage, server: string): WalPushStore {
  const path = serverLayout(server).walPush;

  async function read(): Promise<WalPushes> {
    const facts = await storage.stat(path);
    if (facts === undefined || facts.size > largestFile) return nothing;
    const { version, segments, storedBytes, recent, last, conflicts } =
      parseChecked((await storage.readFile(path, largestFile)).toString("utf8")) ?? {};
    if (version !== 1 || !isCount(segments) || !isCount(storedBytes) || !Array.isArray(conflicts)) return nothing;
    const { name, at } = (last ?? {}) as Record<string, unknown>;
    return {
      segments,
      storedBytes,
      recent: Array.isArray(recent) ? (recent as unknown[]).filter(isText) : [],
      last: isText(name) && isMoment(at) ? { name, at } : undefined,
      conflicts: (conflicts as unknown[]).flatMap((value) => conflictOf(value) ?? []),
    };
  }

  const textOf = ({ segments, storedBytes, recent, last, conflicts }: WalPushes): string =>
    `${formatChecked({ version: 1, segments, storedBytes, recent, last: last ?? null, conflicts })}\n`;

  return {
    async print() {
      const facts = await storage.stat(path);
      return facts === undefined ? undefined : `${facts.size} ${facts.mtimeMs}`;
    },
    read,
    async taken(name, at, storedBytes) {
      const before = await read();
      const next: WalPushes = {
        segments: before.segments + (storedBytes === undefined ? 0 : 1),
        storedBytes: before.storedBytes + (storedBytes ?? 0),
        recent: storedBytes === undefined ? before.recent : [...before.recent, name].slice(-mostRecent),
        last: { name, at },
        conflicts: before.conflicts.filter((conflict) => conflict.name !== name),
      };
      // A conflict that is over must be over after a power cut, too; for the rest an earlier state is as true.
      if (next.conflicts.length < before.conflicts.length) await storage.replaceFile(path, textOf(next));
      else await storage.renewFile(path, textOf(next));
    },
    async refused(conflict) {
      const before = await read();
      const others = before.conflicts.filter(({ name }) => name !== conflict.name);
      await storage.replaceFile(path, textOf({ ...before, conflicts: [...others, conflict].slice(-mostConflicts) }));
    },
  };
}
