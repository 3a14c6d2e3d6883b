/** What systemd's journal makes of standard output. */
import { fstatSync } from "node:fs";
import type { LineFormat } from "./log-sink.ts";
import { syslogSeverities } from "./severity.ts";

/**
 * Whether what is written to `fd` ends up in the journal.
 *
 * @param journalStream `JOURNAL_STREAM` of the environment: device and inode (systemd.exec(5)); inherited by processes that write elsewhere
 */
export function goesToJournal(fd: number, journalStream: string | undefined): boolean {
  if (journalStream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return journalStream === `${dev}:${ino}`;
  } catch {
    // Nothing is open there.
    return false;
  }
}

/** The format with the severity before each line, as sd-daemon(3) has it: `journalctl -p warning` finds what matters. */
export function forJournal(format: LineFormat): LineFormat {
  return (record) => `<${syslogSeverities[record.level]}>${format(record).replaceAll("\n", `\n<${syslogSeverities[record.level]}>`)}`;
}
