/**
 * The last lines of the log, kept in memory for a support bundle: where the log goes to the journal, to syslog or to a terminal
 * nobody can read it back. Bounded; the oldest go.
 */
import { formatTextLine, redactRecord, type LogRecord, type LogSink } from "../log/index.ts";

/** Characters that are kept, about. */
const keptCharacters = 512 * 1024;

export interface RecentLines {
  note(record: LogRecord): void;
  /** One line each, oldest first, with its newline, without the secrets that are known by now. */
  text(): string;
}

/** About what its line has; making the line costs more than keeping it, and few are ever read. */
function sizeOf({ fields, message }: LogRecord): number {
  let size = message.length + 60;
  for (const value of Object.values(fields)) size += typeof value === "string" ? value.length + 20 : 20;
  return size;
}

export function createRecentLines(limit = keptCharacters): RecentLines {
  let records: LogRecord[] = [];
  /** How many of `records` are not kept any more; they are let go of by many, because that moves all others. */
  let gone = 0;
  let size = 0;
  return {
    note(record) {
      records.push(record);
      size += sizeOf(record);
      for (let first = records[gone]; size > limit && first !== undefined; first = records[gone]) {
        size -= sizeOf(first);
        gone += 1;
      }
      if (gone <= 1000) return;
      records = records.slice(gone);
      gone = 0;
    },
    text: () =>
      records
        .slice(gone)
        .map((record) => `${formatTextLine(redactRecord(record))}\n`)
        .join(""),
  };
}

/** A sink that remembers what went through it. */
export function rememberLines(sink: LogSink, recent: Pick<RecentLines, "note">): LogSink {
  return {
    write(record) {
      recent.note(record);
      sink.write(record);
    },
    reopen: () => sink.reopen(),
    close: () => sink.close(),
  };
}
