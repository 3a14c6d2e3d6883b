/**
 * Digests of timeline history files. What PostgreSQL writes into them has no checksum of its own, and one changed digit
 * sends recovery along another branch. One line of JSON with a checksum for each file that was stored, only appended; a
 * later line of the same timeline replaces the earlier one.
 */
import { createHash } from "node:crypto";
import type { TimelineId } from "../postgres/index.ts";
import { historyFileName } from "../postgres/index.ts";
import type { Storage } from "../storage/index.ts";
import { formatChecked, parseChecked } from "./checked-json.ts";
import { repositoryErrors } from "./errors.ts";
import { isHex, isText } from "./json-shape.ts";
import type { ServerLayout } from "./layout.ts";
import { readLines } from "./line-reader.ts";

export interface HistoryDigests {
  /** Makes the digest of a history file durable, before the file is. One writer a server. */
  add(timeline: TimelineId, content: Uint8Array): Promise<void>;
  /**
   * Compares the content of a stored history file with what was recorded of it; pgmoneta and the first versions recorded
   * nothing. Throws TIMELINE_HISTORY_UNREADABLE naming `path`, or the record when that was changed.
   */
  check(timeline: TimelineId, content: Uint8Array, path: string): Promise<void>;
}

const longestLine = 4096;

const digestOf = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

export function openHistoryDigests(storage: Storage, layout: ServerLayout): HistoryDigests {
  const path = layout.historyIndex;

  /** The last digest of a history file; `damaged` when a line that may have been of it cannot be read. */
  async function lookup(name: string): Promise<{ digest: string | undefined; damaged: boolean }> {
    let digest: string | undefined;
    let damaged = false;
    if ((await storage.stat(path)) === undefined) return { digest, damaged };
    const faults = {
      tooLong: (line: number) => repositoryErrors.historyUnreadable(`"${path}", line ${line}: it is too long`, { path, line }),
      // Torn by a crash, before the file that it is about was there.
      unfinished: () => undefined,
    };
    const reader = await storage.openFile(path);
    try {
      for await (const lines of readLines(reader, longestLine, faults)) {
        for (const line of lines) {
          const { v, history, sha256 } = parseChecked(line.toString("utf8")) ?? {};
          if (v !== 1 || !isText(history) || !isHex(sha256, 64)) damaged = true;
          else if (history === name) digest = sha256;
        }
      }
    } finally {
      await reader.close();
    }
    return { digest, damaged };
  }

  return {
    async add(timeline, content) {
      await storage.appendLine(path, formatChecked({ v: 1, history: historyFileName(timeline), sha256: digestOf(content) }));
    },
    async check(timeline, content, file) {
      const { digest, damaged } = await lookup(historyFileName(timeline));
      if (digest === digestOf(content) || (digest === undefined && !damaged)) return;
      const wrong = digest === undefined ? `"${path}" was changed and may have the digest of "${file}"` : `"${file}" is not what was stored: its digest differs`;
      throw repositoryErrors.historyUnreadable(wrong, { path: file, timeline });
    },
  };
}
