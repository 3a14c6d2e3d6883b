/** Where lines end up: the contract of console, file and syslog. */
import type { LogRecord } from "./logger.ts";

export interface LogSink {
  /** Takes one line. Never throws and never waits: logging must not stop what it reports on. */
  write(record: LogRecord): void;
  /** Opens the destination again, after somebody moved the file away (SIGHUP). */
  reopen(): void;
  /** Writes out what is still held and lets go of the destination. */
  close(): Promise<void>;
}

/** Makes the text of a line, without its end. */
export type LineFormat = (record: LogRecord) => string;

/** The last resort for lines that the destination does not take: standard error. It must not throw. */
export type Complain = (text: string) => void;
