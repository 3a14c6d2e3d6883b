/** What is told to the operators: the alarms of every server, by category, each with a key by which it is known again. */
import type { AlarmSubject, CheckCode, CheckReport } from "../check/index.ts";
import type { Alarm, NotifyCategory, Sight } from "../notify/index.ts";
import { alarmsOf, placesOf, type AlarmSources } from "./alarms.ts";
import type { Checks } from "./checks.ts";
import { supervisorErrors } from "./errors.ts";
import type { JobOutcome } from "./job.ts";
import type { SupervisedServer } from "./server.ts";

/** Findings of the receiver about the WAL that a server keeps. */
const slotCodes: readonly string[] = ["SLOT_WAL"];

export const categoryOfSubject: Readonly<Record<AlarmSubject, NotifyCategory>> = {
  mode: "other",
  receiver: "stream",
  follow: "other",
  findings: "other",
  archiving: "failed",
  pushes: "other",
  "second-copy": "failed",
  "hot-standby": "failed",
  retention: "failed",
  gaps: "gap",
  lineage: "too_old",
  damage: "unverified",
  verification: "unverified",
  extra: "other",
  overdue: "too_old",
  drill: "unverified",
  schedule: "failed",
  space: "time_to_full",
};

/** Checks that find what no alarm of status has. */
export const categoryOfCheck: Readonly<Partial<Record<CheckCode, NotifyCategory>>> = {
  PRIMARY_WAL_SPACE: "time_to_full",
  DISK_SPACE: "time_to_full",
  WINDOW: "gap",
  ENCRYPTION_KEY: "other",
  SERVER_CERTIFICATE: "other",
  CERTIFICATE_FILES: "other",
  CLOCK: "other",
};

/** All that is to be told, and what nobody can say of at the moment whether it is over. */
export function alarmsToTell(servers: readonly SupervisedServer[], sources: AlarmSources, checks: Pick<Checks, "last">, failed: FailedJobs): Required<Sight> {
  return {
    alarms: servers.flatMap((server) => [...fromStatus(server, sources, failed), ...fromChecks(server.name, checks.last(server)), ...failed.of(server.name)]),
    unseen(key) {
      const [name, subject = "", code = ""] = key.split("/");
      const server = servers.find((one) => one.name === name);
      return server !== undefined && isUnseen(server, subject, code, sources, checks);
    },
  };
}

/**
 * What a server that does not answer, a check that was not made and a disk that was not watched for long say nothing about: a primary
 * that went down because its pg_wal was full is no end of that.
 */
function isUnseen(server: SupervisedServer, subject: string, code: string, { main, space }: AlarmSources, checks: Pick<Checks, "last">): boolean {
  switch (subject) {
    case "check": {
      const report = checks.last(server);
      if (report === undefined) return true;
      return report.results.some((result) => result.code === code && !result.ignored && (result.unseen === true || result.status === "unknown"));
    }
    case "receiver":
      // An attempt that has not failed yet is no stream.
      return server.online && !streams(server);
    case "findings":
      // The receiver finds them when it connects.
      return !streams(server);
    case "space":
      return code === supervisorErrors.spaceForecast.spec.code && placesOf(server, main()).some((path) => !space.forecasts(path));
    default:
      return false;
  }
}

/** WAL comes in, or from another server that is followed. */
const streams = (server: SupervisedServer): boolean =>
  server.follow !== undefined || (server.receiver.child.state === "running" && server.state().receiver === "streaming");

function fromStatus(server: SupervisedServer, sources: AlarmSources, failed: FailedJobs): Alarm[] {
  const { name } = server;
  const alarms = alarmsOf(server, sources);
  const subjects = Object.keys(alarms) as AlarmSubject[];
  const told = failed.of(name).length > 0;
  return subjects.flatMap((subject) =>
    alarms[subject].flatMap(({ about, code, hint, message }): Alarm[] => {
      // The failure of the job itself is told already.
      if (subject === "schedule" && told) return [];
      const category = subject === "findings" && slotCodes.includes(code) ? "time_to_full" : categoryOfSubject[subject];
      return [{ key: [name, subject, code, about ?? ""].join("/"), server: name, code, category, message, hint }];
    }),
  );
}

function fromChecks(server: string, report: CheckReport | undefined): Alarm[] {
  return (report?.results ?? []).flatMap(({ code, fix, ignored, message, status }): Alarm[] => {
    const category = categoryOfCheck[code];
    if (category === undefined || ignored || (status !== "warning" && status !== "critical")) return [];
    // Nothing that was not there an hour ago: a server without any backup is told of as too old.
    if (code === "WINDOW" && status === "critical") return [];
    return [{ key: [server, "check", code].join("/"), server, code, category, message, hint: fix ?? "" }];
  });
}

/** Jobs that failed: those that a later success puts right, and those that are over with their answer. */
export interface FailedJobs {
  of(server: string): readonly Alarm[];
  /** A job has ended; gives what is to be told once. */
  ended(server: string, command: string, outcome: JobOutcome): Alarm | undefined;
}

const once: readonly string[] = ["restore", "delete", "archive", "lineage"];

/** Keys of failures that were told before a restart stay until the job succeeds. */
export function createFailedJobs(earlier: readonly Alarm[]): FailedJobs {
  const failures = new Map(earlier.filter(({ key }) => key.split("/")[1] === "job").map((alarm) => [alarm.key, alarm]));
  return {
    of: (server) => [...failures.values()].filter((alarm) => alarm.server === server),
    ended(server, command, outcome) {
      const key = [server, "job", command].join("/");
      if (outcome.state === "succeeded") {
        failures.delete(key);
        return undefined;
      }
      if (outcome.state === "cancelled") return undefined;
      const { code, hint, message } = outcome.error;
      const alarm: Alarm = { key, server, code, category: "failed", message: `the ${command} failed: ${message}`, hint };
      if (command === "backup") failures.set(key, alarm);
      return once.includes(command) ? alarm : undefined;
    },
  };
}
