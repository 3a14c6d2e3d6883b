/** What can go wrong while WAL is received and archived. */
import { defineErrors, type MonetaError } from "../common/index.ts";

export const walErrors = defineErrors({
  otherCluster: {
    code: "WAL_OTHER_CLUSTER",
    exit: 60,
    retryable: false,
    hint: "The address leads to another PostgreSQL cluster than the one whose WAL is stored here. Correct host and port; if that cluster has taken the place of the old one (pg_upgrade, initdb, another machine), accept it: moneta-cli lineage <server> accept. Nothing was written.",
  },
  lineageRefused: {
    code: "WAL_LINEAGE_REFUSED",
    exit: 60,
    retryable: false,
    hint: "Nothing was changed. See with moneta-cli lineage <server> which clusters are known, and with pg_controldata which one the server is.",
  },
  diverged: {
    code: "WAL_DIVERGED",
    exit: 61,
    retryable: false,
    hint: "The server sends other bytes for WAL that it sent before: it was reset to an older state (snapshot, restored copy, fsync = off) without a new timeline. Both versions are kept; take a new full backup into a new server section, and find out what happened to the server.",
  },
  followedDiverged: {
    code: "WAL_FOLLOWED_DIVERGED",
    exit: 61,
    retryable: false,
    hint: "The server and the one that it follows were promoted apart, or are two clusters: what is received of one is not what the other writes. Nothing of its WAL is let go. Rebuild one of the two from the other (pg_rewind, pg_basebackup), or take follow out of its section.",
  },
  serverBehind: {
    code: "WAL_SERVER_BEHIND",
    exit: 62,
    retryable: true,
    hint: "The server has less WAL than is stored here: a standby that has not caught up, or a server that was reset to an older state. It is tried again; nothing stored is touched.",
  },
  segmentExists: {
    code: "WAL_SEGMENT_EXISTS",
    exit: 63,
    retryable: false,
    hint: "A complete segment of this name is stored already and is never overwritten. Look at the WAL directory: something else writes to it.",
  },
  syncFailed: {
    code: "WAL_SYNC_FAILED",
    exit: 64,
    retryable: true,
    hint: "The disk did not confirm what was written; the segment is set aside and received again into a new file. Check the disk and the kernel log.",
  },
  diskFull: {
    code: "WAL_DISK_FULL",
    exit: 65,
    retryable: true,
    hint: "Free space on the file system of the named path: receiving goes on by itself then. Meanwhile the slot makes the server keep its WAL, which fills the server's disk.",
  },
  writeFailed: {
    code: "WAL_WRITE_FAILED",
    exit: 66,
    retryable: true,
    hint: "The named file could not be written; check the disk, its mount and the rights of the daemon's account.",
  },
  prerequisite: {
    code: "WAL_PREREQUISITE_MISSING",
    exit: 67,
    retryable: true,
    hint: "Run the statement in the message on the server; receiving begins by itself afterwards.",
  },
  historyMissing: {
    code: "WAL_HISTORY_MISSING",
    exit: 68,
    retryable: true,
    hint: "The server does not have the history file of its own timeline: copy it into its pg_wal from another server of the cluster.",
  },
  readBackFailed: {
    code: "WAL_READ_BACK_FAILED",
    exit: 69,
    retryable: true,
    hint: "What was stored does not read back as what was received; the received segment is kept and archived again. Check disk and memory of this machine.",
  },
  segmentMalformed: {
    code: "WAL_SEGMENT_MALFORMED",
    exit: 70,
    retryable: false,
    hint: "The named file is not a complete WAL segment; it is left as it is. Find out what wrote it.",
  },
  segmentConflict: {
    code: "WAL_SEGMENT_CONFLICT",
    exit: 71,
    retryable: false,
    hint: "Two files hold different WAL for one segment. Both are kept: find out which one the server's timeline has (pg_waldump), and move the other one away.",
  },
  pushRefused: {
    code: "WAL_PUSH_REFUSED",
    exit: 72,
    retryable: false,
    hint: "archive_command must name the file with %p, or with --stdin its name with %f: only files of pg_wal that are whole are taken. Nothing was written.",
  },
  secondCopyFailed: {
    code: "WAL_SECOND_COPY_FAILED",
    exit: 77,
    retryable: true,
    hint: "Check the directory of wal_shipping, its mount, its room and the rights of the daemon's account. Receiving and archiving go on; the copy is tried again and gets by itself what it misses.",
  },
  secondCopySource: {
    code: "WAL_SECOND_COPY_SOURCE",
    exit: 78,
    retryable: true,
    hint: "The named file of the repository is not what was archived: check the disk and the kernel log. Restores take the segment from the second copy if that has it; else take a new full backup.",
  },
});

/** Whether it is one of these: about the WAL and what is stored of it, not about the way to the server. */
export function isWalError(error: unknown): error is MonetaError {
  return Object.values(walErrors).some(({ is }) => is(error));
}
