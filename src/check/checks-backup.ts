/** The checks of backups and of what keeps them: schedule, window, proof, keys, disks. */
import { formatByteSize, formatDuration } from "../common/index.ts";
import { critical, fromAlarms, ok, skipped, unseen, warning, type Check, type CheckInput, type DiskInput, type Verdict } from "./check.ts";
import { ending } from "./checks-server.ts";

const hour = 3_600_000;

function worst(verdicts: readonly Verdict[], good: string): Verdict {
  const order = ["critical", "warning", "unknown"] as const;
  for (const status of order) {
    const found = verdicts.filter((verdict) => verdict.status === status);
    const [first] = found;
    if (first !== undefined) return { ...first, message: found.map(({ message }) => message).join("; ") };
  }
  return ok(good);
}

function lastBackup({ alarms, backups, now }: CheckInput): Verdict {
  if (alarms.overdue.length > 0) return fromAlarms(alarms.overdue, "critical", "");
  if (backups.newest === undefined) return critical(backups.unusable > 0 ? `none of ${backups.unusable} backups is valid` : "there is no backup");
  const age = formatDuration(Math.max(0, now - backups.newest));
  return ok(`backup ${backups.newestLabel ?? "?"} is ${age} old${backups.oldestAllowed === undefined ? ", and no age is too old" : ""}`);
}

function window({ backups, now }: CheckInput): Verdict {
  const { oldest, policy, policyReach, windowFrom } = backups;
  if (oldest === undefined) return critical("nothing can be restored: there is no valid backup");
  if (windowFrom === undefined) return critical("no backup reaches up to now without a gap in the WAL: only the moments right after backups can be restored");
  const reach = now - windowFrom;
  const message = `any moment of the last ${formatDuration(reach)} can be restored (policy: ${policy})`;
  if (policyReach === undefined || reach >= policyReach || windowFrom <= oldest) return ok(message);
  // An older backup is there, and the WAL between has a gap.
  return warning(`${message}, although the oldest backup is ${formatDuration(now - oldest)} old: WAL between them is missing`);
}

function space({ what, path, free, total }: DiskInput): Verdict {
  if (total === 0) return { status: "unknown", message: `the room of ${what} (${path}) is not known` };
  const share = free / total;
  const message = `${what}: ${formatByteSize(free)} of ${formatByteSize(total)} are free (${path})`;
  if (share < 0.03) return critical(message);
  return share < 0.1 ? warning(message) : ok(message);
}

/** The next backup must find room beside what is there. */
function room({ backups, disks }: CheckInput): Verdict {
  const repository = disks.find(({ what }) => what === "base_dir");
  if (repository === undefined || repository.total === 0 || backups.newestBytes <= repository.free) return ok("");
  return warning(`another backup of ${formatByteSize(backups.newestBytes)} has no room in base_dir, ${formatByteSize(repository.free)} are free`);
}

/** The end of a list of revoked certificates as a verdict: some hold for a day, others for a year. */
function runningOut(what: string, ends: number, holds: number, now: number): Verdict {
  const left = ends - now;
  const moment = new Date(ends).toISOString();
  if (left <= 0) return critical(`${what} ran out on ${moment}: nobody is trusted by it any more`);
  return left < holds / 4 ? warning(`${what} runs out on ${moment}, in ${formatDuration(left)}: nobody is trusted by it then`) : ok(`${what} holds until ${moment}`);
}

export const backupChecks = {
  MODE: {
    looksAt: "Whether the server is in service (moneta-cli mode).",
    warning: "It is offline: nothing is received, and its slot keeps WAL on it.",
    fix: "Take it back into service: moneta-cli mode <server> online.",
    judge: ({ alarms }) => fromAlarms(alarms.mode, "warning", "online"),
  },
  LAST_BACKUP: {
    looksAt: "The age of the newest valid backup, against backup_max_age or twice the distance of two scheduled ones.",
    critical: "It is older, or there is no valid one.",
    fix: "Take a backup (moneta-cli backup <server>), and see with moneta-cli schedule what keeps those that should be taken by themselves from it.",
    judge: lastBackup,
  },
  SCHEDULE: {
    looksAt: "How the last run of each schedule ended.",
    warning: "One failed, and nothing has put it right since.",
    fix: "Solve what the message names, then start it by hand.",
    judge: ({ alarms }) => fromAlarms(alarms.schedule, "warning", "no scheduled run has failed"),
  },
  LINEAGE: {
    looksAt: "Whether the cluster that the server is now has a valid backup.",
    critical: "Only the one before it has.",
    fix: "Take a full backup: moneta-cli backup <server>.",
    judge: ({ alarms }) => fromAlarms(alarms.lineage, "critical", "one cluster, or the present one has a backup"),
  },
  WINDOW: {
    looksAt: "Which moments can be restored, against those that the retention policy promises.",
    warning: "Fewer, because WAL behind an older backup is missing.",
    critical: "None, or none up to now.",
    fix: "Take a backup. What is missing in between cannot be had any more, unless archive_command still has it (moneta-cli wal-push).",
    judge: window,
  },
  VERIFICATION: {
    looksAt: "What reading the backups back found, and whether that is done as often as `verification` says.",
    warning: "Not as often, or a remark was found.",
    critical: "A backup is damaged.",
    fix: "Take a backup at once, then look at the disk; moneta-cli verify <server> <label> has all that was found.",
    judge: ({ alarms, backups }) => {
      if (alarms.damage.length > 0) return fromAlarms(alarms.damage, "critical", "");
      if (alarms.verification.length > 0) return fromAlarms(alarms.verification, "warning", "");
      return backups.verificationPeriod === 0 ? skipped("backups are not verified by themselves (verification)") : ok("all backups were read back in time");
    },
  },
  DRILL: {
    looksAt: "Whether the last drill proved its backup.",
    critical: "It failed.",
    fix: "Read its report, and do not rely on that backup before a drill succeeds.",
    judge: ({ alarms, backups, now }) => {
      if (alarms.drill.length > 0) return fromAlarms(alarms.drill, "critical", "");
      if (backups.proven !== undefined) return ok(`the last drill proved a backup ${formatDuration(now - backups.proven)} ago`);
      return backups.drillsScheduled ? ok("no drill was due yet") : skipped("no drill was ever made (moneta-cli drill)");
    },
  },
  RETENTION: {
    looksAt: "Whether what is not to be kept any more is removed.",
    warning: "The last run did not do what it should.",
    fix: "Solve what the message names; the next run goes on.",
    judge: ({ alarms }) => fromAlarms(alarms.retention, "warning", "nothing keeps it from its work"),
  },
  EXTRA_FILES: {
    looksAt: "Whether the newest backup has all files of `extra`.",
    warning: "One is missing.",
    fix: "The backup said which grants are missing.",
    judge: ({ alarms, wants }) =>
      wants.extra ? fromAlarms(alarms.extra, "warning", "the newest backup has all of them") : skipped("none are configured (extra)"),
  },
  HOT_STANDBY: {
    looksAt: "Whether the copies of hot_standby are up to date.",
    warning: "One is not.",
    fix: "Solve what the message names; they are brought up to date after the next backup.",
    judge: ({ alarms, wants }) =>
      wants.hotStandby ? fromAlarms(alarms["hot-standby"], "warning", "up to date, or being brought there") : skipped("none is configured (hot_standby)"),
  },
  ENCRYPTION_KEY: {
    looksAt: "Whether what is encrypted can be: the master key is there and opens the data key in use.",
    critical: "It cannot: nothing more is stored, and what is stored may not be readable.",
    fix: "Bring the master key back from where you keep a copy of it; without it nothing that is encrypted can be read.",
    judge: ({ encrypts, probe }) => {
      if (probe === undefined) return unseen("nobody has looked");
      if (probe.keyProblem !== null) return critical(probe.keyProblem.message, { fix: probe.keyProblem.hint });
      return encrypts ? ok("the master key opens the data key in use") : skipped("nothing is encrypted");
    },
  },
  CERTIFICATE_FILES: {
    looksAt: "When the certificates expire and the lists of revoked ones run out that the configuration names.",
    warning: "A certificate within 30 days; a list within the last quarter of the time for which it holds.",
    critical: "A certificate within 7 days, or one has expired, a list has run out, or a file cannot be read.",
    fix: "Put a new certificate, or the present list of the authority, into the file; what is of remote management and metrics is read at the next reload.",
    judge: ({ now, probe }) => {
      if (probe === undefined) return unseen("nobody has looked");
      const files = probe.certificates;
      if (files.length === 0) return skipped("the configuration names no certificate");
      const verdicts = files.map(({ key, path, ends, holds, problem }) => {
        const what = `${key} ("${path}")`;
        if (ends === null) return critical(`${what} cannot be used: ${problem ?? "no certificate"}`);
        return holds === null ? ending(what, ends, now) : runningOut(what, ends, holds, now);
      });
      return worst(verdicts, verdicts.length === 1 ? (verdicts[0]?.message ?? "") : `${verdicts.length} files with certificates or lists hold for long enough`);
    },
  },
  DISK_SPACE: {
    looksAt: "How much of the file systems of base_dir and workspace is free, and whether a further backup has room.",
    warning: "Less than 10 %, or less than the newest backup takes.",
    critical: "Less than 3 %.",
    fix: "Delete backups that are not needed, or enlarge the file system. When it is full no WAL is received any more.",
    judge: (input) => {
      const verdicts = input.disks.map(space);
      return worst([...verdicts, room(input)], verdicts.map(({ message }) => message).slice(0, 1).join(""));
    },
  },
  DISK_FORECAST: {
    looksAt: "When the file systems are full if they fill up as they do now, and whether they answer at all.",
    warning: "Within the time that was watched twelve times over, at most a day.",
    critical: "Within 4 hours, or one does not answer.",
    fix: "Make room before it is full.",
    judge: ({ alarms, disks }) => {
      const silent = alarms.space.filter(({ code }) => code === "STORAGE_SILENT");
      if (silent.length > 0) return fromAlarms(silent, "critical", "");
      const soon = disks.some(({ fullInMs }) => fullInMs !== undefined && fullInMs < 4 * hour);
      return fromAlarms(alarms.space, soon ? "critical" : "warning", "none fills up");
    },
  },
  NOTIFICATIONS: {
    looksAt: "Whether notifications reach their targets.",
    warning: "One could not be delivered, and is tried again.",
    fix: "Try it with moneta-cli notify test.",
    judge: ({ notifications }) => {
      if (notifications.configured === 0) return skipped("none are configured");
      return fromAlarms(notifications.failing, "warning", `${notifications.configured} target${notifications.configured === 1 ? "" : "s"}, nothing waits`);
    },
  },
} as const satisfies Readonly<Record<string, Check>>;
