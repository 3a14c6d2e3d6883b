/** Why a backup is not taken, or not kept. */
import { defineErrors } from "../common/index.ts";

export const backupErrors = defineErrors({
  prerequisite: {
    code: "BACKUP_PREREQUISITE_MISSING",
    exit: 70,
    retryable: false,
    hint: "Run the statement in the message on the server, then start the backup again.",
  },
  receiverNotRunning: {
    code: "BACKUP_WITHOUT_WAL",
    exit: 71,
    retryable: true,
    hint: "A backup is worth nothing without the WAL written meanwhile: bring the receiver of this server up first (moneta-cli status), then start the backup again.",
  },
  otherCluster: {
    code: "BACKUP_OTHER_CLUSTER",
    exit: 72,
    retryable: false,
    hint: "The address leads to another PostgreSQL cluster than the one whose WAL is stored here; correct host and port, or accept it with moneta-cli lineage <server> accept.",
  },
  mismatch: {
    code: "BACKUP_MISMATCH",
    exit: 73,
    retryable: true,
    hint: "What arrived is not what the server says it sent: bytes were changed on the way, or the server's disk or memory is faulty. The backup was given up; take another one and check the link.",
  },
  walMissing: {
    code: "BACKUP_WAL_MISSING",
    exit: 74,
    retryable: true,
    hint: "WAL that this backup needs did not become durable in the repository, so the backup was given up; see the receiver's errors (moneta-cli status details).",
  },
  timelineChanged: {
    code: "BACKUP_TIMELINE_CHANGED",
    exit: 75,
    retryable: true,
    hint: "The server was promoted while it was backed up; the backup was given up. Take another one.",
  },
  extraIncomplete: {
    code: "BACKUP_EXTRA_INCOMPLETE",
    exit: 76,
    retryable: true,
    hint: "The backup of the cluster is complete; files that extra names are not in it. See that they are there and that the server's account may read them, or take them out of extra, then take another backup.",
  },
  sharedDamaged: {
    code: "BACKUP_SHARES_DAMAGE",
    exit: 77,
    retryable: true,
    hint: "A verification found damage, or a file that cannot be read, in the backup from which unchanged files were taken over. Take another backup: it takes nothing from there and stores them anew.",
  },
  space: {
    code: "BACKUP_NO_SPACE",
    exit: 30,
    retryable: true,
    hint: "Free space in the repository (delete backups that are no longer needed), then start the backup again.",
  },
});
