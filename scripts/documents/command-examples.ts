/**
 * The examples of the manual, in the order in which a test runs them: an afternoon with a server called `primary`, whose
 * backups are encrypted. test/system/manual-examples.test.ts types each of them, and compares what it prints.
 */
import type { CommandName } from "../../src/management/index.ts";

export interface Example {
  readonly command: CommandName;
  /** What it is for; goes before the line. */
  readonly text: string;
  /** Behind `moneta-cli`, as typed into a shell. */
  readonly line: string;
  /** How it ends; 0 unless said. */
  readonly exit?: number;
  /** Goes on until an example after it ends it. */
  readonly goesOn?: true;
  /**
   * What it prints: to standard output, or to standard error where it fails. A number stands for any number, a position for any
   * position, `…` for anything in its line, and a line of `…` for any lines.
   */
  readonly prints: readonly string[];
}

export const examples: readonly Example[] = [
  {
    command: "ping",
    text: "Whether the daemon runs:",
    line: "ping",
    prints: [],
  },
  {
    command: "status",
    text: "How things are:",
    line: "status",
    prints: [],
  },
  {
    command: "backup",
    text: "A backup, which is there when the command is back:",
    line: "backup primary",
    prints: [],
  },
  {
    command: "annotate",
    text: "What it was taken for:",
    line: "annotate primary newest add why 'before the upgrade'",
    prints: [],
  },
  {
    command: "retain",
    text: "And that it shall stay until it is given back:",
    line: "retain primary newest",
    prints: [],
  },
  {
    command: "list-backup",
    text: "What there is:",
    line: "list-backup primary",
    prints: [],
  },
  {
    command: "info",
    text: "Everything about the newest one:",
    line: "info primary newest",
    prints: [],
  },
  {
    command: "verify",
    text: "Whether every byte of it can be read back, without restoring it:",
    line: "verify primary newest",
    prints: [],
  },
  {
    command: "key rotate",
    text: "After somebody left who could read the keys:",
    line: "key rotate primary",
    prints: [],
  },
  {
    command: "backup",
    text: "The next one is encrypted with the new key:",
    line: "backup primary",
    prints: [],
  },
  {
    command: "list-backup",
    text: "The newest one first:",
    line: "list-backup --sort desc primary",
    prints: [],
  },
  {
    command: "verify",
    text: "With a list of every file:",
    line: "verify primary newest all",
    prints: [],
  },
  {
    command: "restore",
    text: "What a restore would do, without doing it:",
    line: "restore --dry-run primary newest lsn=0/5000100 /srv/restore",
    prints: [],
  },
  {
    command: "restore",
    text: "The server as it was last known, in a directory of its own:",
    line: "restore primary newest /srv/restore",
    prints: [],
  },
  {
    command: "restore",
    text: "The server as it was at a moment:",
    line: "restore primary newest 'time=2026-11-20 09:00:00+00' /srv/moment",
    prints: [],
  },
  {
    command: "archive",
    text: "A backup as one file, to be given away:",
    line: "archive primary newest /srv/archive",
    prints: [],
  },
  {
    command: "archive",
    text: "The server at a position, as one file:",
    line: "archive primary newest lsn=0/5000100 /srv/archive/earlier",
    prints: [],
  },
  {
    command: "compress",
    text: "A file of somebody's:",
    line: "compress /srv/archive/dump.sql",
    prints: [],
  },
  {
    command: "encrypt",
    text: "Nobody shall read it who does not have the master key:",
    line: "encrypt /srv/archive/dump.sql.zstd",
    prints: [],
  },
  {
    command: "decrypt",
    text: "Here it can be read again:",
    line: "decrypt /srv/archive/dump.sql.zstd.aes",
    prints: [],
  },
  {
    command: "decompress",
    text: "And as it was:",
    line: "decompress /srv/archive/dump.sql.zstd",
    prints: [],
  },
  {
    command: "drill",
    text: "Whether the newest backup comes back as a server:",
    line: "drill primary",
    prints: [],
  },
  {
    command: "drill",
    text: "And the server as it was at a moment:",
    line: "drill primary newest 'time=2026-11-20 09:00:00+00'",
    prints: [],
  },
  {
    command: "schedule",
    text: "What runs by itself, and how it went:",
    line: "schedule",
    prints: [],
  },
  {
    command: "schedule",
    text: "The same for one server:",
    line: "schedule primary",
    prints: [],
  },
  {
    command: "drill",
    text: "The oldest backup. It takes longer than anybody wants to wait:",
    line: "drill primary oldest",
    goesOn: true,
    exit: 20,
    prints: [],
  },
  {
    command: "progress",
    text: "How far it is:",
    line: "progress primary drill",
    prints: [],
  },
  {
    command: "status details",
    text: "What runs, and all that is known of each server:",
    line: "status details",
    prints: [],
  },
  {
    command: "cancel",
    text: "No more of it:",
    line: "cancel primary",
    prints: [],
  },
  {
    command: "mode",
    text: "Before the server is taken down for a while:",
    line: "mode primary offline",
    prints: [],
  },
  {
    command: "mode",
    text: "And when it is back:",
    line: "mode primary online",
    prints: [],
  },
  {
    command: "retain",
    text: "With those that it rests on:",
    line: "retain --cascade primary newest",
    prints: [],
  },
  {
    command: "delete",
    text: "A retained backup stays:",
    line: "delete primary oldest",
    prints: [],
  },
  {
    command: "expunge",
    text: "Given back to the retention:",
    line: "expunge primary oldest",
    prints: [],
  },
  {
    command: "annotate",
    text: "The comment has done its work:",
    line: "annotate primary newest remove why",
    prints: [],
  },
  {
    command: "delete",
    text: "And deleted:",
    line: "delete primary oldest",
    prints: [],
  },
  {
    command: "retention",
    text: "What would go by the retention, and why:",
    line: "retention --dry-run primary",
    prints: [],
  },
  {
    command: "retention",
    text: "At once, instead of with the next run of the daemon:",
    line: "retention primary",
    prints: [],
  },
  {
    command: "shutdown",
    text: "The end of the day:",
    line: "shutdown",
    prints: [],
  },
];

/** The words of a line, as a shell would split it: single quotes hold a word together. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => word.replaceAll("'", ""));
}
