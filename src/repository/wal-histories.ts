/** Timeline history files in the WAL directory: never compressed, never encrypted, as PostgreSQL wrote them. */
import { messageOf } from "../common/index.ts";
import type { TimelineHistory, TimelineId } from "../postgres/index.ts";
import { classifyWalFile, historyFileName, parseHistory, rootHistory, timelineId } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import { repositoryErrors } from "./errors.ts";
import { openHistoryDigests } from "./history-digests.ts";
import type { ServerLayout } from "./layout.ts";

export interface WalHistories {
  /** Path of the history file of a timeline; undefined when there is none. */
  find(timeline: TimelineId): Promise<string | undefined>;
  /** The content of a history file as PostgreSQL wrote it. Throws TIMELINE_HISTORY_UNREADABLE when it was changed since. */
  content(timeline: TimelineId): Promise<Buffer | undefined>;
  /**
   * The history of a timeline. Timeline 1 needs no file; for another one undefined means that its file is missing, and
   * with it the knowledge of where it came from. Throws TIMELINE_HISTORY_UNREADABLE naming the file.
   */
  read(timeline: TimelineId): Promise<TimelineHistory | undefined>;
  /** Stores a history file durably, in the place of one that is there; it must be readable. */
  write(timeline: TimelineId, content: Uint8Array): Promise<void>;
  /** The same, but what is there already stays: whether it has this content. Throws also what `content` throws. */
  add(timeline: TimelineId, content: Uint8Array): Promise<"stored" | "same" | "other">;
  /** Timelines that have a history file, ascending. */
  list(): Promise<TimelineId[]>;
}

const largestFile = 1024 * 1024;

/** pgmoneta leaves a zero byte at the end. */
function withoutZeros(content: Buffer): Buffer {
  let end = content.length;
  while (end > 0 && content[end - 1] === 0) end -= 1;
  return content.subarray(0, end);
}

export function openWalHistories(storage: Storage, layout: ServerLayout): WalHistories {
  const digests = openHistoryDigests(storage, layout);

  async function find(timeline: TimelineId): Promise<string | undefined> {
    const name = historyFileName(timeline);
    // pgmoneta writes the digits in lower case.
    for (const candidate of [name, name.toLowerCase()]) {
      const path = layout.walFile(candidate);
      if ((await storage.stat(path))?.kind === "file") return path;
    }
    return undefined;
  }

  async function content(timeline: TimelineId): Promise<Buffer | undefined> {
    const path = await find(timeline);
    if (path === undefined) return undefined;
    const bytes = withoutZeros(await storage.readFile(path, largestFile));
    await digests.check(timeline, bytes, path);
    return bytes;
  }

  function parse(bytes: Uint8Array, timeline: TimelineId, path: string): TimelineHistory {
    try {
      return parseHistory(Buffer.from(bytes).toString("utf8"), timeline);
    } catch (error) {
      throw repositoryErrors.historyUnreadable(
        `"${path}" cannot be read: ${messageOf(error)}`,
        { path, timeline },
        error,
      );
    }
  }

  async function read(timeline: TimelineId): Promise<TimelineHistory | undefined> {
    const bytes = await content(timeline);
    if (bytes === undefined) return timeline === 1 ? rootHistory(timeline) : undefined;
    return parse(bytes, timeline, layout.walFile(historyFileName(timeline)));
  }

  async function write(timeline: TimelineId, bytes: Uint8Array): Promise<void> {
    parse(bytes, timeline, layout.walFile(historyFileName(timeline)));
    await storage.exclusively(layout.wal, () => writeAlone(timeline, bytes));
  }

  async function add(timeline: TimelineId, bytes: Uint8Array): Promise<"stored" | "same" | "other"> {
    parse(bytes, timeline, layout.walFile(historyFileName(timeline)));
    return storage.exclusively(layout.wal, async () => {
      const there = await content(timeline);
      if (there !== undefined) return there.equals(withoutZeros(Buffer.from(bytes))) ? "same" : "other";
      await writeAlone(timeline, bytes);
      return "stored";
    });
  }

  /** A promotion has the receiver and `archive_command` write the same file at the same moment: only while `wal` is ours. */
  async function writeAlone(timeline: TimelineId, bytes: Uint8Array): Promise<void> {
    const path = layout.walFile(historyFileName(timeline));
    // First what it must be: a crash in between leaves a record without a file, and never a file that nobody vouches for.
    await digests.add(timeline, withoutZeros(Buffer.from(bytes)));
    await storage.replaceFile(path, bytes);
  }

  async function list(): Promise<TimelineId[]> {
    const found = new Set<number>();
    for await (const { name } of storage.entries(layout.wal)) {
      const upper = /^[0-9a-f]{8}\.history$/i.test(name) ? `${name.slice(0, 8).toUpperCase()}.history` : name;
      const file = classifyWalFile(upper);
      if (file.kind === "history") found.add(file.timeline);
    }
    return [...found].sort((a, b) => a - b).map(timelineId);
  }

  return { find, content, read, write, add, list };
}
