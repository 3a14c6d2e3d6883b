/** The checks of the PostgreSQL server and of the way to it. */
import { formatDuration } from "../common/index.ts";
import { troubleOf } from "../postgres/index.ts";
import type { Prerequisite } from "../replication/index.ts";
import { critical, ok, skipped, unseen, warning, type Check, type CheckInput, type ServerFindings, type Verdict } from "./check.ts";

/** What the probe or the receiver found out about a prerequisite of the server. */
export function prerequisite(input: CheckInput, code: string, level: "warning" | "critical"): Verdict {
  const found = input.alarms.findings.find((finding) => finding.code === code);
  const asked = input.probe?.prerequisites.find((one: Prerequisite) => one.code === code);
  if (asked !== undefined) {
    if (asked.ok) return ok(asked.message);
    return (level === "critical" && asked.severity === "error" ? critical : warning)(asked.message, { statement: asked.statement });
  }
  if (found !== undefined) return { status: level, message: found.message, fix: found.hint, statement: found.statement };
  return notAsked(input);
}

/** Why nothing is known of the server. */
export function notAsked({ online, probe }: CheckInput): Verdict {
  if (!online) return unseen("the server is offline and is not asked");
  return unseen(probe?.failure === null ? "the server does not tell" : "the server could not be asked");
}

/** A check of what the server itself has said. */
function ofServer(judge: (server: ServerFindings, input: CheckInput) => Verdict): (input: CheckInput) => Verdict {
  return (input) => {
    const server = input.probe?.server ?? null;
    return server === null ? notAsked(input) : judge(server, input);
  };
}

const day = 86_400_000;

/** The end of a certificate as a verdict. */
export function ending(what: string, ends: number, now: number): Verdict {
  const left = ends - now;
  const moment = new Date(ends).toISOString().slice(0, 10);
  if (left <= 0) return critical(`${what} has expired on ${moment}`);
  if (left < 7 * day) return critical(`${what} expires on ${moment}, in ${formatDuration(left)}`);
  if (left < 30 * day) return warning(`${what} expires on ${moment}, in ${formatDuration(left)}`);
  return ok(`${what} is valid until ${moment}`);
}

const roleCodes: readonly string[] = ["ROLE", "ROLE_LOGIN", "REPLICATION_ROLE", "HBA", "PASSWORD", "CLIENT_CERTIFICATE"];

export const serverChecks = {
  CONNECTION: {
    looksAt: "Whether a replication connection to the server can be opened.",
    critical: "It cannot.",
    fix: "See that the server runs and that host, port and TLS of its section are right. The message has what the system or the server said.",
    judge: (input) => {
      const { probe, online } = input;
      if (!online) return notAsked(input);
      if (probe === undefined) return unseen("the server was not asked");
      if (probe.failure !== null) {
        const missing = probe.prerequisites.find(({ ok: met }) => !met);
        return critical(probe.failure.message, { fix: probe.failure.hint, statement: missing?.statement });
      }
      const { server } = probe;
      return ok(`PostgreSQL ${server?.versionText ?? "?"} answers${server?.encrypted === true ? ", in TLS" : ""}`);
    },
  },
  ROLE: {
    looksAt: "Whether the role may log in and replicate from here: its password, its rights, and pg_hba.conf.",
    critical: "It is refused, or lacks REPLICATION.",
    fix: "Run the statement as a superuser of the server.",
    judge: (input) => {
      const refused = input.probe?.prerequisites.find(({ code, ok: met }) => !met && roleCodes.includes(code));
      if (refused !== undefined) return critical(refused.message, { statement: refused.statement });
      const server = input.probe?.server ?? null;
      if (server === null) return notAsked(input);
      if (server.replicationRight === false) return critical("the role has lost REPLICATION: the next connection is refused", { statement: server.regainReplication });
      return ok("the role may replicate");
    },
  },
  SQL_CONNECTION: {
    looksAt: "Whether the role may connect to the database postgres as well, which tells about slot, tablespaces and clock.",
    warning: "It may not.",
    fix: "Grant it, or put the code into check_ignore: backups work without it.",
    judge: (input) => prerequisite(input, "SQL_CONNECTION", "warning"),
  },
  FILE_LOCATIONS: {
    looksAt: "The grants of the role: whether it may read where the server keeps its configuration files.",
    warning: "It may not: configuration files outside of the data directory are not found.",
    fix: "Run the statement as a superuser of the server.",
    judge: (input) => prerequisite(input, "FILE_LOCATIONS", "warning"),
  },
  PASSWORD_TRANSPORT: {
    looksAt: "Whether the password of the role travels in clear text.",
    warning: "It does.",
    fix: "Use scram-sha-256 in pg_hba.conf, or TLS.",
    judge: (input) => prerequisite(input, "PASSWORD_TRANSPORT", "warning"),
  },
  SERVER_CERTIFICATE: {
    looksAt: "When the TLS certificate expires that the server shows.",
    warning: "Within 30 days.",
    critical: "Within 7 days, or it has expired.",
    fix: "Give the server a new certificate, and reload it.",
    judge: ofServer(({ certificateEnds }, { now }) =>
      certificateEnds === null ? skipped("the connection has no TLS") : ending("the certificate of the server", certificateEnds, now),
    ),
  },
  VERSION: {
    looksAt: "Whether the major version of PostgreSQL is one that this version of Moneta knows.",
    warning: "It is newer, and treated like the newest that is known.",
    critical: "It is too old.",
    fix: "Use a version of Moneta that knows it.",
    judge: (input) => prerequisite(input, "VERSION", "critical"),
  },
  MINOR_VERSION: {
    looksAt: "Whether the minor version of PostgreSQL has a known fault that harms backups: damaged indexes (14.0 to 14.3), incremental backups that cannot be combined (17.0 to 17.7, 18.0 and 18.1).",
    warning: "It has one.",
    fix: "Install the newest minor version of PostgreSQL and restart the server.",
    judge: ofServer(({ version, versionText }) => {
      const trouble = troubleOf(version);
      return trouble === undefined ? ok(`nothing is known against ${versionText}`) : warning(`${versionText}: ${trouble.what}; ${trouble.fixedIn} has it fixed`);
    }),
  },
  SYSTEM_IDENTIFIER: {
    looksAt: "Whether the server is the cluster whose WAL is stored.",
    critical: "Another cluster answers at its address: nothing of it is received.",
    fix: "Correct the address, or accept the new cluster with moneta-cli lineage <server> accept.",
    judge: ofServer(({ systemIdentifier }, { lineage, server }) => {
      if (lineage === undefined) return ok(`cluster ${systemIdentifier}, of which nothing is stored yet`);
      if (lineage === systemIdentifier) return ok(`cluster ${systemIdentifier}`);
      return critical(`cluster ${systemIdentifier} answers, and the WAL of ${server} is that of ${lineage}`);
    }),
  },
  CLOCK: {
    looksAt: "How far the clocks of the server and of this machine are apart.",
    warning: "More than 10 seconds.",
    critical: "More than 5 minutes: moments that are restored to are not those that are meant.",
    fix: "Have both clocks set by NTP.",
    judge: (input) => {
      const { newest, newestLabel } = input.backups;
      if (newest !== undefined && newest > input.now + 60_000)
        return critical(`backup ${newestLabel ?? "?"} ends in the future: the clock of this machine was set back`);
      const server = input.probe?.server ?? null;
      if (server === null) return notAsked(input);
      const { clockOffset, clockUncertainty } = server;
      if (clockOffset === null) return unseen("the clock of the server can be asked by SQL only");
      const apart = Math.max(0, Math.abs(clockOffset) - clockUncertainty);
      const message = `the server's clock is ${formatDuration(Math.abs(clockOffset))} ${clockOffset < 0 ? "behind" : "ahead of"} this machine's`;
      if (apart > 300_000) return critical(message);
      return apart > 10_000 ? warning(message) : ok(`the clocks are ${formatDuration(Math.round(apart))} apart`);
    },
  },
  WAL_LEVEL: {
    looksAt: "The server's wal_level.",
    critical: "It is minimal: neither WAL nor backups can be had.",
    fix: "Run the statement as a superuser, and restart the server.",
    judge: (input) => prerequisite(input, "WAL_LEVEL", "critical"),
  },
  MAX_WAL_SENDERS: {
    looksAt: "The server's max_wal_senders: the stream and a backup need two.",
    critical: "There are fewer, or none is left.",
    fix: "Run the statement as a superuser, and restart the server.",
    judge: (input) => prerequisite(input, "MAX_WAL_SENDERS", "critical"),
  },
  FULL_PAGE_WRITES: {
    looksAt: "The server's full_page_writes.",
    warning: "It is off: a crash can leave torn pages, and no backup can be taken from a standby.",
    fix: "Turn it on.",
    judge: ofServer(({ fullPageWrites }) => {
      if (fullPageWrites === null) return unseen("the server does not tell");
      return fullPageWrites
        ? ok("full_page_writes is on")
        : warning("full_page_writes is off", { statement: "ALTER SYSTEM SET full_page_writes = on; SELECT pg_catalog.pg_reload_conf();" });
    }),
  },
  SYNCHRONOUS_COMMIT: {
    looksAt: "Whether commits of the server wait for something that Moneta never does (synchronous_commit = remote_apply).",
    warning: "They may.",
    fix: "Run the statement as a superuser of the server.",
    judge: (input) => prerequisite(input, "SYNCHRONOUS_COMMIT", "warning"),
  },
  PAGE_CHECKSUMS: {
    looksAt: "Whether the cluster has page checksums.",
    warning: "It has none: damage of its disk is copied into backups unseen.",
    fix: "Stop the server, run pg_checksums --enable -D <data directory>, start it. Or put the code into check_ignore.",
    judge: ofServer(({ checksums }) => {
      if (checksums === null) return unseen("the server does not tell");
      return checksums ? ok("page checksums are on") : warning("page checksums are off");
    }),
  },
  TABLESPACES: {
    looksAt: "Whether a backup gets all tablespaces: PostgreSQL leaves out those with relative links, and up to 15 those in the data directory.",
    critical: "One would be missing.",
    fix: "Do what the statement says.",
    judge: (input) => prerequisite(input, "TABLESPACES", "critical"),
  },
} as const satisfies Readonly<Record<string, Check>>;
