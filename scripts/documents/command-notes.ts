/** What the table of commands does not hold: how each available command behaves, and how it can end. */
import { archiveErrors } from "../../src/archive/index.ts";
import { backupErrors } from "../../src/backup/index.ts";
import { cliErrors } from "../../src/cli/index.ts";
import { commonErrors, type ErrorFactory } from "../../src/common/index.ts";
import { configErrors } from "../../src/config/index.ts";
import { convertErrors } from "../../src/convert/index.ts";
import { diagnoseErrors } from "../../src/diagnose/index.ts";
import { drillErrors } from "../../src/drill/index.ts";
import { hookErrors } from "../../src/hooks/index.ts";
import { jobErrors } from "../../src/job/errors.ts";
import { logErrors } from "../../src/log/errors.ts";
import { managementErrors, type CommandName } from "../../src/management/index.ts";
import { notifyErrors } from "../../src/notify/index.ts";
import { pipelineErrors } from "../../src/pipeline/index.ts";
import { repositoryErrors } from "../../src/repository/index.ts";
import { restoreErrors } from "../../src/restore/index.ts";
import { retentionErrors } from "../../src/retention/index.ts";
import { storageErrors } from "../../src/storage/index.ts";
import { supervisorErrors } from "../../src/supervisor/index.ts";
import { vaultErrors } from "../../src/vault/index.ts";
import { verifyErrors } from "../../src/verify/index.ts";
import { walErrors } from "../../src/wal/index.ts";

export interface CommandNotes {
  /** Paragraphs; `code` stands between backquotes. */
  readonly text: readonly string[];
  /** The errors that an operator may meet, besides those of every command. */
  readonly errors: readonly ErrorFactory[];
}

/** Exit statuses with their errors, lowest first. */
export function statusesOf(
  errors: readonly ErrorFactory[],
): readonly (readonly [exit: number, codes: readonly string[]])[] {
  const codes = new Map<number, string[]>();
  for (const { spec } of errors) codes.set(spec.exit, [...(codes.get(spec.exit) ?? []), spec.code]);
  return [...codes].toSorted(([one], [other]) => one - other);
}

/** How any command can end that asks the daemon. */
export const everyCommand: readonly ErrorFactory[] = [
  cliErrors.usage,
  managementErrors.daemonUnreachable,
  managementErrors.connectionClosed,
  managementErrors.answerTimeout,
  managementErrors.masterKeyMissing,
  managementErrors.frameInvalid,
  managementErrors.commandNotAvailable,
  managementErrors.roleInsufficient,
  managementErrors.loginRefused,
  managementErrors.loginDelayed,
  managementErrors.clearTextRefused,
  managementErrors.tlsFailed,
  supervisorErrors.stopping,
  managementErrors.interrupted,
];

const namedServer = managementErrors.serverUnknown;
const anyJob = [
  supervisorErrors.jobsExhausted,
  supervisorErrors.jobCancelled,
  supervisorErrors.jobNotBegun,
  supervisorErrors.jobDied,
  commonErrors.aborted,
];
const namedBackup = [repositoryErrors.backupNotFound, repositoryErrors.backupDamaged];
const keys = [repositoryErrors.masterKeyMissing, repositoryErrors.masterKeyWrong, repositoryErrors.dataKeyMissing];

/** What parts of the daemon may have against another configuration. */
const changing = [supervisorErrors.starting, supervisorErrors.serversExhausted, supervisorErrors.pidFile, supervisorErrors.daemonise, logErrors.cannotOpen, supervisorErrors.reloadIncomplete];

const fileErrors = [
  convertErrors.noFile,
  convertErrors.refused,
  convertErrors.changed,
  convertErrors.noSpace,
  convertErrors.unproven,
  convertErrors.failed,
  commonErrors.targetExists,
  supervisorErrors.jobCancelled,
  supervisorErrors.jobNotBegun,
  supervisorErrors.jobDied,
];

export const commandNotes: Readonly<Partial<Record<CommandName, CommandNotes>>> = {
  backup: {
    text: [
      "The command returns when the backup is valid: every file agrees with the manifest of the server, the WAL that the backup needs is durable in the repository, and everything is synced. Until then nobody sees it. A backup that fails, is cancelled or is killed leaves nothing in the list, and its remains are removed.",
      "A second backup of the same server waits in line, and says so. A backup needs a receiver that streams: one that has only just been started is waited for, up to 15 seconds. When the server reports pages with a wrong checksum the backup is valid and flagged: it is an exact copy of a damaged cluster.",
      "The interruption of `moneta-cli` does not end the job: `progress` finds it again, `cancel` ends it. Incremental backups are not available yet: naming a parent is refused.",
    ],
    errors: [
      namedServer,
      managementErrors.serverOffline,
      supervisorErrors.notStreaming,
      ...anyJob,
      ...Object.values<ErrorFactory>(backupErrors),
      ...Object.values<ErrorFactory>(hookErrors),
      storageErrors.full,
      ...keys,
    ],
  },
  "list-backup": {
    text: [
      "Oldest first, by system identifier, timeline and position; `--sort desc` turns the list around. WAL is what is kept from the start of a backup on. A backup that cannot be trusted any more is listed as INVALID, with the reason. Works with `--offline`.",
    ],
    errors: [namedServer, managementErrors.sortInvalid],
  },
  info: {
    text: ["`newest` and `latest` mean the same. Works with `--offline`."],
    errors: [namedServer, ...namedBackup],
  },
  archive: {
    text: [
      "The chapter on archives has what lies in one and how it is unpacked: doc/manual/files.md. The answer names the file, `archive-<server>-<label>.tar` with the suffixes of the configured compression and encryption. One that is there is never written over; a failure leaves nothing. Without a position it holds the WAL to the moment at which the backup is consistent. Works with `--offline`.",
    ],
    errors: [
      namedServer,
      ...namedBackup,
      repositoryErrors.backupInvalid,
      ...anyJob,
      ...Object.values<ErrorFactory>(archiveErrors),
      commonErrors.targetExists,
      restoreErrors.position,
      restoreErrors.unreachable,
      restoreErrors.directoryRefused,
      restoreErrors.settings,
      restoreErrors.mismatch,
      restoreErrors.walMissing,
      pipelineErrors.damaged,
      ...keys,
    ],
  },
  "key rotate": {
    text: [
      "Backups that are being taken, and everything that is stored, keep their key and stay readable; the next backup and the next segment of WAL have the new one, and no file is written again. A backup after a rotation shares no files with those before it, because they are encrypted with another key. doc/manual/operation.md has when and why, and the rotation of the master key.",
    ],
    errors: [namedServer, supervisorErrors.nothingEncrypted, ...keys, storageErrors.full],
  },
  compress: {
    text: [
      "Adds the suffix of the configured `compression`, zstd where that is `none`. The file goes only when its new form is durable and has been read back. `progress --file` shows how far it is, `cancel --file` ends it. Works without a daemon. More in doc/manual/files.md.",
    ],
    errors: [...fileErrors, convertErrors.name],
  },
  decompress: {
    text: ["Goes by the suffix, and takes it away. Reads pgmoneta's form of `.lz4` as well. Works without a daemon."],
    errors: [...fileErrors, convertErrors.name, convertErrors.damaged],
  },
  encrypt: {
    text: [
      "Writes pgmoneta's form: one AES-GCM message under the master key, with the cipher that `encryption` names, AES-256 where that is `none`; at most 68719476704 bytes. Works without a daemon.",
    ],
    errors: [...fileErrors, convertErrors.name, convertErrors.tooLarge, repositoryErrors.masterKeyMissing],
  },
  decrypt: {
    text: ["Reads pgmoneta's form and that of the repository, in which archives are. Works without a daemon."],
    errors: [...fileErrors, convertErrors.name, convertErrors.damaged, ...keys],
  },
  restore: {
    text: [
      "The chapter on restoring has the positions and everything else: doc/manual/restore.md. The cluster is made in `<directory>/<server>-<label>`, which must be absent or empty. Everything that can be known before is checked before anything is written; `--dry-run` ends there and prints the plan, and is refused when the restore would be. Works with `--offline`.",
    ],
    errors: [
      namedServer,
      ...namedBackup,
      repositoryErrors.backupInvalid,
      ...anyJob,
      // Without the one that only restore_command can meet.
      ...Object.values<ErrorFactory>(restoreErrors).filter((factory) => factory !== restoreErrors.planDamaged),
      jobErrors.planRefused,
      ...Object.values<ErrorFactory>(hookErrors),
      cliErrors.planRefused,
      pipelineErrors.damaged,
      ...keys,
    ],
  },
  verify: {
    text: [
      "Reads every stored byte back as a restore does, and the WAL to the end of the backup; nothing is restored, no scratch space is needed, and the directory that pgmoneta asks for is not used. The answer lists what was found, by name and kind; with `all` also every file that is good. A backup that cannot be restored any more is marked and no longer offered; verified again after a repair it is offered again.",
      "A file that cannot be read because of the disk or its permissions is no damage: nothing is marked, and the command fails. With `--offline` nothing is written at all.",
    ],
    errors: [namedServer, ...namedBackup, verifyErrors.damaged, verifyErrors.incomplete, verifyErrors.foreign, ...keys, ...anyJob],
  },
  delete: {
    text: [
      "The backup goes out of view first, then its files are removed; what an interruption leaves is removed at the next start. A retained backup is deleted with `--force` only. The last valid backup of a server can be deleted; the log says that there is none any more. WAL that only this backup needed goes with the next run of `retention`. A backup of pgmoneta's leaves what others have links to with them; one that an incremental one rests on is refused.",
      "Waits for the restores, archives, verifications, drills and backups that work with this very backup, and for no others. `oldest` and `newest` mean the backup that is it when the command is given.",
    ],
    errors: [namedServer, ...namedBackup, managementErrors.backupRetained, repositoryErrors.backupNeeded, ...Object.values<ErrorFactory>(hookErrors), ...anyJob],
  },
  retain: {
    text: [
      "Neither `retention` nor `delete` without `--force` removes a retained backup. Of its WAL only what makes it consistent is kept with it: without more it can be restored to its own end, with the position `immediate`. `--cascade` retains the parents of an incremental backup too, up to the full one; they stay in any case as long as it does. Only a valid backup can be retained.",
    ],
    errors: [namedServer, ...namedBackup, repositoryErrors.backupInvalid],
  },
  expunge: {
    text: ["The next run of `retention` treats the backup like any other. `--cascade` gives its parents back as well."],
    errors: [namedServer, ...namedBackup, repositoryErrors.backupInvalid],
  },
  annotate: {
    text: [
      "A comment has a key. `add` refuses a key that is there, `update` and `remove` one that is not. Keys and texts are one line without `|` and `,`, as pgmoneta stores them; all comments of a backup together take at most 2000 bytes. `info` shows them.",
    ],
    errors: [
      namedServer,
      ...namedBackup,
      managementErrors.actionUnknown,
      managementErrors.requestInvalid,
      managementErrors.commentExists,
      managementErrors.commentNotFound,
    ],
  },
  retention: {
    text: [
      "Does at once what the daemon does every `retention_interval` seconds: everything that is due goes, backups first, then the WAL that nothing needs any more. Each backup is listed with the reason for which it stays or goes. `--dry-run` prints the same and removes nothing; it also works with `--offline`. The chapter on retention has the rules: doc/manual/retention.md.",
      "A backup that a running or waiting job works with stays, with its WAL; what else is due goes at once. Nobody begins to read a backup while a run decides. A run waits for deletions, and they for it.",
    ],
    errors: [namedServer, ...anyJob, retentionErrors.incomplete, repositoryErrors.identityDamaged],
  },
  ping: { text: ["Says whether the daemon answers, and which version it is."], errors: [] },
  status: {
    text: [
      "One line for each server, then everything that is wrong, with what to do about it. doc/manual/operation.md explains each line.",
    ],
    errors: [],
  },
  "status details": {
    text: ["A block for each server: the stream, the running and waiting jobs, the backups, the problems."],
    errors: [],
  },
  progress: {
    text: [
      "When nothing runs it says how the last job of the server ended, since the start of the daemon.",
      "Files that the daemon compresses, decompresses, encrypts or decrypts belong to no server: without a server it shows them, with `--file` one of them. What counts there are bytes that were read: those of the file, and as many again while what it became is read back.",
    ],
    errors: [namedServer],
  },
  mode: {
    text: [
      "Offline ends the receiver of the server and refuses backups, also over restarts of the daemon; the slot keeps WAL on the server meanwhile, and `status` says so. Restores, lists and deletions go on working.",
    ],
    errors: [namedServer, managementErrors.actionUnknown, supervisorErrors.modeFile],
  },
  cancel: {
    text: [
      "Waits until the job has ended. With several candidates the number of the job must be given; `status details` and `progress` show it. A job that had already succeeded stays so, and the command fails.",
      "`--file` ends the conversion of a file, which is left as it was, with nothing half-written beside it.",
    ],
    errors: [namedServer, managementErrors.jobUnknown],
  },
  drill: {
    text: [
      "Restores the backup into the workspace, starts PostgreSQL there without a network, waits for the end of recovery, runs `pg_amcheck` and the file of `drill_sql`, takes everything away, and writes a report. Without a backup it is the newest, without a position the end of what was received. What a drill is and what it needs: [drills.md](drills.md).",
      "The command succeeds only if the backup came back as a server in which nothing was found wrong. A drill that fails is recorded as well, and the backup has a remark; it stays valid.",
    ],
    errors: [namedServer, ...namedBackup, ...Object.values<ErrorFactory>(drillErrors), restoreErrors.position, ...anyJob, ...keys],
  },
  lineage: {
    text: [
      "A server that was upgraded with pg_upgrade, made anew with initdb, or replaced by another machine has another system identifier. What it sends is refused (`WAL_OTHER_CLUSTER`) until an operator says that this is the server now: a wrong address must not mix the WAL of two clusters.",
      "`accept` connects to the server, looks which cluster it is, and makes that the present one. The WAL of the one before goes to `lineages/<system identifier>`; its backups stay listed and can be verified, drilled, archived and restored, each with its own WAL, and retention counts those of every cluster by themselves. With a system identifier no other cluster is accepted. Restores, backups and every other job of the server are waited for; nothing is copied, so the change itself takes a moment. Streaming begins by itself, with the configured slot.",
      "Nothing of the new cluster can be restored before it has a full backup: take one at once, `status` reminds of it. A cluster that was accepted by mistake is left by accepting the right one; the WAL that was kept apart comes back.",
    ],
    errors: [namedServer, walErrors.lineageRefused, repositoryErrors.lineageUnfinished, repositoryErrors.identityDamaged, managementErrors.actionUnknown, ...anyJob],
  },
  check: {
    text: [
      "Asks the server and looks at everything that its backups need: some forty checks, each with a code, what was found, and what to do. Nothing is changed. The exit status is that of monitoring: 0 ok, 1 warning, 2 critical, 3 unknown; a daemon that does not answer is critical, whatever else keeps the check from being made is unknown. The chapter on checks has all of them: doc/manual/checks.md.",
      "`--nagios` prints one line with figures, then what is wrong. `--format json` has code, status, message, fix and statement of each check. `check_ignore` in pgmoneta.conf names those that are not to count. The port of `nagios` answers the same over HTTP.",
    ],
    errors: [namedServer, supervisorErrors.jobDied],
  },
  "notify test": {
    text: [
      "Sends a test through each target of notifications, one attempt each, and waits for all of them. It succeeds only when every target took it; the message says which did not, and why. The chapter on notifications has the targets: doc/manual/notifications.md.",
    ],
    errors: [notifyErrors.notConfigured, notifyErrors.testFailed],
  },
  diagnose: {
    text: [
      "Writes one file, `tar` and `gzip`, mode 0600, where `moneta-cli` runs, also when the daemon is on another machine. In it are versions, the configuration in force, status, all checks of each server, jobs and schedules, the list of backups with their `backup.info`, a summary of the WAL, a scrape of the metrics, the last MiB of the log, room on the disks, limits and memory of the processes, and the programs of PostgreSQL that were found. Its README says what each file is. doc/manual/diagnose.md has all of it, and what is taken out.",
      "Passwords, keys, tokens and addresses of webhooks are never in it: what is known as a secret, and what has the form of one, is replaced by `***`. A part that cannot be had is named in the README with the reason, and the command fails with `DIAGNOSE_INCOMPLETE`; the bundle is there all the same. A file that exists is not written over.",
      "Works with `--offline`, from the configuration, the log and the repository of this machine.",
    ],
    errors: [diagnoseErrors.incomplete, diagnoseErrors.notWritten, commonErrors.targetExists, cliErrors.partRefused],
  },
  schedule: {
    text: [
      "Shows when backups and drills run by themselves, how the last one went, and why one was skipped. The keys are `backup` and `drill`: [drills.md](drills.md).",
    ],
    errors: [namedServer],
  },
  "conf reload": {
    text: [
      "Reads `pgmoneta.conf`, the users and the admins file again, as `SIGHUP` does. All of it is valid and can be put in force, or nothing changes: the answer then names every line that is wrong. It lists what has another value, what needs a restart and stays as it was until then, which servers are new or gone, and which receivers connect anew. What `conf set` changed without `--save` is as in the file again.",
      "Jobs that run go on with the settings that they began with. The chapter on operation has the rules: doc/manual/operation.md.",
    ],
    errors: [configErrors.invalid, configErrors.unreadable, configErrors.notFound, ...changing],
  },
  "conf ls": {
    text: ["The files that are in use; a file that the daemon has not found is told so."],
    errors: [supervisorErrors.starting],
  },
  "conf get": {
    text: [
      "Without a key it prints everything as a file would have it, defaults and what servers inherit included; `pgmoneta` and `server.<name>` are a section, `key` and `server.<name>.key` the value of one key alone. This is what is in force, not what the file says by now. A secret is `***`, or the `file:` or `env:` that it comes from.",
    ],
    errors: [configErrors.keyUnknown, namedServer, supervisorErrors.starting],
  },
  "conf set": {
    text: [
      "The value is written as in the file and checked as there; with it the whole configuration must be valid. It is in force at once, and until the next reload or restart. `--save` writes it into the file as well, where comments, order and mode stay as they are, in one step that no crash can divide; whatever else was changed in the file meanwhile stays there, is checked, and waits for a reload.",
      "A key that needs a restart is refused without `--save`, because nothing would come of it; with it the value is in the file, and the answer says that the old one is in force until then. A secret is better put into a file and named by `file:`: until the program runs and takes them off, words of a command line can be seen in the list of processes.",
    ],
    errors: [
      configErrors.keyUnknown,
      configErrors.refused,
      configErrors.needsRestart,
      configErrors.unwritable,
      configErrors.notSaved,
      configErrors.invalid,
      vaultErrors.locked,
      namedServer,
      ...changing,
    ],
  },
  "clear prometheus": {
    text: [
      "The metrics `pgmoneta_logging_…` begin at 0 again, and an answer that `metrics_cache_max_age` has kept is made anew. Nothing else is reset: counters of ours only rise while the daemon runs. doc/manual/metrics.md has all of them.",
    ],
    errors: [],
  },
  shutdown: {
    text: [
      "Stops in order, like a first TERM. The command returns when the daemon has understood; the daemon ends when its jobs and receivers have.",
    ],
    errors: [],
  },
};
