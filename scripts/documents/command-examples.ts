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
    prints: ["The daemon answers (Moneta 0.1.0)."],
  },
  {
    command: "status",
    text: "How things are:",
    line: "status",
    prints: [
      "Moneta 0.1.0: 0 B in the repository, 74.1 GB of 252 GB free",
      "",
      "SERVER   PG     STATE       LAG  BACKUPS  SIZE",
      "primary  15.18  streaming  none        0   0 B",
    ],
  },
  {
    command: "backup",
    text: "A backup, which is there when the command is back:",
    line: "backup primary",
    prints: ["Backup 20261120083824 of primary is valid: 22.0 MB stored in 3.37 MB in 5.8 s."],
  },
  {
    command: "annotate",
    text: "What it was taken for:",
    line: "annotate primary newest add why 'before the upgrade'",
    prints: [
      "Backup 20261120083824 of primary:",
      "  why: before the upgrade",
    ],
  },
  {
    command: "retain",
    text: "And that it shall stay until it is given back:",
    line: "retain primary newest",
    prints: [
      "Backup 20261120083824 of primary is retained: neither retention nor delete",
      "  without --force removes it.",
    ],
  },
  {
    command: "list-backup",
    text: "What there is:",
    line: "list-backup primary",
    prints: [
      "primary (PostgreSQL 15.18): 1 backup",
      "",
      "LABEL           AGE  TYPE   STORED  RESTORED      WAL  TL  STATE",
      "20261120083824  4 s  full  3.37 MB   22.0 MB  16.0 MB   1  valid, retained",
      "# 20261120083824: why: before the upgrade",
    ],
  },
  {
    command: "info",
    text: "Everything about the newest one:",
    line: "info primary newest",
    prints: [
      "Backup               20261120083824",
      "Server               primary",
      "PostgreSQL           15.18",
      "System identifier    7713881075539965055",
      "State                valid, retained",
      "Type                 full",
      "Age                  5 s",
      "Started              2026-11-20 08:38:24 UTC",
      "Ended                2026-11-20 08:38:28 UTC",
      "Took                 3.9 s",
      "Stored               3.37 MB",
      "Freed by a deletion  3.37 MB",
      "Restored             22.0 MB",
      "Biggest file         768 kB",
      "Compression          zstd",
      "Encryption           aes-256-gcm",
      "Digests              sha256",
      "Start LSN            0/2000028",
      "Checkpoint LSN       0/2000060",
      "End LSN              0/2000100",
      "Timeline             1",
      "First WAL segment    000000010000000000000002",
      "WAL kept from here   16.0 MB",
      "Comment              why: before the upgrade",
    ],
  },
  {
    command: "annotate",
    text: "When the comment has done its work:",
    line: "annotate primary newest remove why",
    prints: ["Backup 20261120083824 of primary has no comments."],
  },
  {
    command: "verify",
    text: "Whether every byte of it can be read back, without restoring it:",
    line: "verify primary newest",
    prints: [
      "Verified backup 20261120083824 of primary: every byte is as it was stored.",
      "  read 970 files, 22.1 MB, 1 segment of WAL in 1.7 s",
    ],
  },
  {
    command: "key rotate",
    text: "After somebody left who could read the keys:",
    line: "key rotate primary",
    prints: [
      "What begins to be encrypted of primary from now on has the data key",
      "  9b040e41048bae90892c3441f47189a1",
      "What was encrypted before stays as it is, and is read with the key",
      "  fd94b679ebdcfd6c27a8bd924a8382b0",
    ],
  },
  {
    command: "backup",
    text: "The next one is encrypted with the new key:",
    line: "backup primary",
    prints: ["Backup 20261120083836 of primary is valid: 22.0 MB stored in 3.37 MB in 4.5 s."],
  },
  {
    command: "list-backup",
    text: "The newest one first:",
    line: "list-backup --sort desc primary",
    prints: [
      "primary (PostgreSQL 15.18): 2 backups",
      "",
      "LABEL            AGE  TYPE   STORED  RESTORED      WAL  TL  STATE",
      "20261120083836   4 s  full  3.37 MB   22.0 MB  16.0 MB   1  valid",
      "20261120083824  16 s  full  3.37 MB   22.0 MB  48.0 MB   1  valid, retained",
      "1 of 2 verified, the longest ago 11 s ago (20261120083824)",
    ],
  },
  {
    command: "verify",
    text: "With a list of every file:",
    line: "verify primary newest all",
    prints: [
      "Verified backup 20261120083836 of primary: every byte is as it was stored.",
      "  read 970 files, 22.1 MB, 1 segment of WAL in 1.9 s",
      "…",
      "  ok  /var/lib/moneta/repository/primary/backup/20261120083836/data/PG_VERSION",
      "…",
    ],
  },
  {
    command: "restore",
    text: "What a restore would do, without doing it:",
    line: "restore --dry-run primary newest lsn=0/5000100 /srv/restore",
    prints: [
      "Plan for backup 20261120083836 of primary; nothing was written:",
      "  into    /srv/restore/primary-20261120083836",
      "  up to   at 0/5000100",
      "   1. Backup: 20261120083836 (full, PostgreSQL 15.18), 0/4000028 to 0/4000100,",
      "…",
      "   6. Target: at 0/5000100.",
      "   7. Afterwards: the server opens for business on a new timeline (promote).",
      "…",
    ],
  },
  {
    command: "restore",
    text: "The server as it was last known, in a directory of its own:",
    line: "restore primary newest /srv/restore",
    prints: [
      "Restored backup 20261120083836 of primary, 22.0 MB.",
      "  into    /srv/restore/primary-20261120083836",
      "  up to   the end of the archive, 0/50009A0",
      "Start it on a port that is free here (without -o it takes that of its source):",
      "  pg_ctl -D /srv/restore/primary-20261120083836 -o \"-p <port>\" start",
    ],
  },
  {
    command: "restore",
    text: "The server as it was at a moment:",
    line: "restore primary newest 'time=2026-11-20 09:00:00+00' /srv/moment",
    prints: [
      "Restored backup 20261120083836 of primary, 22.0 MB.",
      "  into    /srv/moment/primary-20261120083836",
      "  up to   at 2026-11-20 09:00:00+00",
      "…",
    ],
  },
  {
    command: "archive",
    text: "A backup as one file, to be given away:",
    line: "archive primary newest /srv/archive",
    prints: [
      "Archived backup 20261120083836 of primary, 38.1 MB in 2.70 MB.",
      "  as      /srv/archive/archive-primary-20261120083836.tar.zstd.aes",
      "  up to   the moment the backup is consistent",
    ],
  },
  {
    command: "archive",
    text: "The server at a position, as one file:",
    line: "archive primary newest lsn=0/5000100 /srv/archive/earlier",
    prints: [
      "Archived backup 20261120083836 of primary, 54.1 MB in 2.70 MB.",
      "  as      /srv/archive/earlier/archive-primary-20261120083836.tar.zstd.aes",
      "  up to   at 0/5000100",
    ],
  },
  {
    command: "compress",
    text: "A file of somebody's:",
    line: "compress /srv/archive/dump.sql",
    prints: ["Compressed to /srv/archive/dump.sql.zstd (9.77 kB became 31 B)."],
  },
  {
    command: "encrypt",
    text: "Nobody shall read it who does not have the master key:",
    line: "encrypt /srv/archive/dump.sql.zstd",
    prints: ["Encrypted to /srv/archive/dump.sql.zstd.aes (31 B became 75 B)."],
  },
  {
    command: "decrypt",
    text: "Here it can be read again:",
    line: "decrypt /srv/archive/dump.sql.zstd.aes",
    prints: ["Decrypted to /srv/archive/dump.sql.zstd (75 B became 31 B)."],
  },
  {
    command: "decompress",
    text: "And as it was:",
    line: "decompress /srv/archive/dump.sql.zstd",
    prints: ["Decompressed to /srv/archive/dump.sql (31 B became 9.77 kB)."],
  },
  {
    command: "drill",
    text: "Whether the newest backup comes back as a server:",
    line: "drill primary",
    prints: [
      "Proven: backup 20261120083836 of primary came back as a running server.",
      "  up to   2026-11-20 08:38:44 UTC",
      "  in      8.7 s (restore 4.5 s, replay 4.2 s)",
      "  checks  tables and indexes passed, SQL file passed",
      "  report  /var/lib/moneta/repository/primary/drills/20261120083902-20261120083836.html",
      "…",
    ],
  },
  {
    command: "schedule",
    text: "What runs by itself, and how it went:",
    line: "schedule",
    prints: [
      "SERVER   WHAT       WHEN              NEXT",
      "primary  backup     15 2 * * *        2026-11-21 02:15:00 UTC",
      "primary  drill      0 5 * * sun       2026-11-26 05:00:00 UTC",
      "primary  retention  every 5 min 00 s  2026-11-20 08:43:21 UTC",
    ],
  },
  {
    command: "schedule",
    text: "The same for one server:",
    line: "schedule primary",
    prints: [
      "SERVER   WHAT       WHEN              NEXT",
      "…",
    ],
  },
  {
    command: "check",
    text: "Whether everything is as it should be:",
    line: "check primary",
    prints: [
      "primary: OK at 2026-11-20 08:39:20 UTC",
      "  35 ok, 6 skipped",
      "",
      "  ok        MODE                online",
      "  ok        CONNECTION          PostgreSQL 15.18…",
      "…",
      "  ok        ROLE                the role may replicate",
      "…",
      "  skipped   SERVER_CERTIFICATE  the connection has no TLS",
      "…",
    ],
  },
  {
    command: "check",
    text: "The same for monitoring:",
    line: "check --nagios primary",
    prints: ["MONETA OK - primary: 35 checks | 'wal_lag'=0B;268435456;1073741824 'wal_age'=2s;60;300 …"],
  },
  {
    command: "notify test",
    text: "Whether notifications would arrive:",
    line: "notify test",
    prints: ["notify_command took the test."],
  },
  {
    command: "drill",
    text: "The oldest backup. It takes longer than anybody wants to wait, and is cancelled:",
    line: "drill primary oldest",
    goesOn: true,
    exit: 20,
    prints: [
      "…",
      "moneta-cli: drill failed: the drill of primary was cancelled: an operator cancelled it",
      "  fix:  Nothing of the job counts as done. Start it again when you want it.",
      "  code: JOB_CANCELLED, error 10103",
    ],
  },
  {
    command: "progress",
    text: "How far it is:",
    line: "progress primary drill",
    prints: ["drill (job 14): …"],
  },
  {
    command: "status details",
    text: "What runs, and all that is known of each server:",
    line: "status details",
    prints: [
      "Moneta 0.1.0: 8.07 MB in the repository, 73.3 GB of 252 GB free…",
      "",
      "primary",
      "  PostgreSQL      15.18",
      "  Mode            online",
      "  Role            primary",
      "  WAL stream      streaming",
      "  Slot            moneta_primary",
      "  On disk up to   0/50009D8 on timeline 1",
      "  Server is at    0/50009D8",
      "  Lag             none",
      "  Proven up to    2026-11-20 08:38:44 UTC, by the drill of 20261120083836 at 2026-11-20 08:39:13 UTC",
      "  Page checksums  on",
      "  Retention       7 days, 4 weeks",
      "  Stored          8.07 MB",
      "  Workers         0",
      "",
      "  drill (job 14): …",
      "",
      "  LABEL             AGE   STORED  RESTORED      WAL  TL  STATE",
      "  20261120083824  1 min  3.37 MB   22.0 MB  48.0 MB   1  valid, retained",
      "  20261120083836   50 s  3.37 MB   22.0 MB  16.0 MB   1  valid",
      "  2 of 2 verified, the longest ago 57 s ago (20261120083824)",
      "  1 of 2 proven by a drill, the last …",
    ],
  },
  {
    command: "cancel",
    text: "No more of it:",
    line: "cancel primary",
    prints: ["Cancelled job 14 (drill) of primary."],
  },
  {
    command: "mode",
    text: "Before the server is taken down for a while:",
    line: "mode primary offline",
    prints: [
      "primary is OFFLINE, also after a restart of the daemon: no WAL is received and",
      "no backup is taken. Its slot keeps WAL on the server until it is online again.",
    ],
  },
  {
    command: "mode",
    text: "And when it is back:",
    line: "mode primary online",
    prints: ["primary is online."],
  },
  {
    command: "lineage",
    text: "Which clusters it was:",
    line: "lineage primary",
    prints: [
      "CLUSTER                       PG  BACKUPS  NEWEST              WAL",
      "7713881075539965055  present  15        2  20261120083836  16.0 MB",
    ],
  },
  {
    command: "lineage",
    text: "A cluster that has taken the place of the one before is accepted. Here it is the one that it was:",
    line: "lineage primary accept",
    exit: 60,
    prints: [
      "…",
      "moneta-cli: lineage failed: WAL of primary is being received …",
      "…",
    ],
  },
  {
    command: "retain",
    text: "With those that it rests on:",
    line: "retain --cascade primary newest",
    prints: [
      "Backup 20261120083836 of primary is retained: neither retention nor delete",
      "  without --force removes it.",
    ],
  },
  {
    command: "delete",
    text: "A retained backup stays:",
    line: "delete primary oldest",
    exit: 6,
    prints: [
      "…",
      "moneta-cli: delete failed: backup 20261120083824 of primary is retained",
      "  fix:  The backup is retained: delete it with --force, or give it back with",
      "        `moneta-cli expunge` first.",
      "  code: BACKUP_RETAINED, error 506",
    ],
  },
  {
    command: "expunge",
    text: "Given back to the retention:",
    line: "expunge primary oldest",
    prints: [
      "Backup 20261120083824 of primary is not retained any more: retention removes",
      "  it when it is due.",
    ],
  },
  {
    command: "delete",
    text: "And deleted:",
    line: "delete primary oldest",
    prints: ["Deleted backup 20261120083824 of primary."],
  },
  {
    command: "retention",
    text: "What would go by the retention, and why:",
    line: "retention --dry-run primary",
    prints: [
      "primary: retention 7, 4",
      "",
      "  keep     20261120083836  younger than 7 days; the backup of the week of",
      "                           2026-11-16; the newest valid one; retained",
      "",
      "0 backups would go, no WAL; nothing was removed.",
    ],
  },
  {
    command: "retention",
    text: "At once, instead of with the next run of the daemon:",
    line: "retention primary",
    prints: [
      "primary: retention 7, 4",
      "",
      "  keep     20261120083836  younger than 7 days; the backup of the week of",
      "                           2026-11-16; the newest valid one; retained",
      "",
      "0 backups gone, no WAL.",
    ],
  },
  {
    command: "conf ls",
    text: "Where the configuration lies:",
    line: "conf ls",
    prints: [
      "main    /etc/pgmoneta/pgmoneta.conf",
      "users   /etc/pgmoneta/pgmoneta_users.conf",
      "admins  not there",
    ],
  },
  {
    command: "conf get",
    text: "A key, as it is in force:",
    line: "conf get workers",
    prints: ["0"],
  },
  {
    command: "conf get",
    text: "Or all of them:",
    line: "conf get",
    prints: ["[pgmoneta]", "authentication_timeout = 5s", "…", "host = localhost", "…", "[primary]", "…", "retention = 7, 4", "…"],
  },
  {
    command: "conf get",
    text: "A key of a server that is not set there is as in the main section:",
    line: "conf get server.primary.retention",
    prints: ["7, 4"],
  },
  {
    command: "conf set",
    text: "More workers, until the next reload or restart:",
    line: "conf set workers 4",
    prints: ["workers: 0 → 4", "In force until the next reload or restart: it is not in the file (--save)."],
  },
  {
    command: "conf set",
    text: "A rate for the backups of one server, and for good:",
    line: "conf set --save server.primary.max_rate 50000000",
    prints: ["server.primary.max_rate: 0 → 50000000", "In force and in /etc/pgmoneta/pgmoneta.conf."],
  },
  {
    command: "conf set",
    text: "What the file would not take is not taken here:",
    line: "conf set server.primary.max_rate fast",
    exit: 6,
    prints: [
      "moneta-cli: conf set failed: max_rate: expected a whole number of bytes per second, or 0 for no limit, found \"fast\"",
      "  fix:  Nothing was changed. The message says what the value must be;",
      "        pgmoneta.conf(5) says more.",
      "  code: CONFIGURATION_REFUSED, error 2707",
    ],
  },
  {
    command: "conf reload",
    text: "As the file has it:",
    line: "conf reload",
    prints: ["The configuration was read again and is in force.", "  workers: 4 → 0"],
  },
  {
    command: "clear prometheus",
    text: "After the trouble of the night has been looked at:",
    line: "clear prometheus",
    prints: ["The metrics count the lines of the log from 0 again."],
  },
  {
    command: "shutdown",
    text: "The end of the day:",
    line: "shutdown",
    prints: ["The daemon is stopping."],
  },
];

/** The words of a line, as a shell would split it: single quotes hold a word together. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => word.replaceAll("'", ""));
}
