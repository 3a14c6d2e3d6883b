import { formatVersion, newestMajor, versionTraits } from "../postgres/index.ts";
import { failed, passed, type Prerequisite } from "./prerequisite.ts";
import { quoteIdentifier, quoteLiteral } from "./quoting.ts";
import type { ServerFacts } from "./server-facts.ts";
import { checkSlotWal } from "./slot-wal.ts";

/** What the operator's configuration asks of the server. */
export interface WantedFeatures {
  readonly slot?: string;
  /** The slot is made when it is missing. */
  readonly createSlot?: boolean;
  /** Incremental backups. */
  readonly incremental?: boolean;
}

/** Checks the facts of a server that could be connected to; failed ones come with the statement that fixes them. */
export function checkPrerequisites(facts: ServerFacts, wanted: WantedFeatures = {}): Prerequisite[] {
  return [
    checkVersion(facts),
    checkWalLevel(facts),
    checkWalSenders(facts),
    ...(wanted.slot === undefined ? [] : [checkSlot(facts, wanted.slot, wanted.createSlot === true), checkSlotWal(facts)]),
    checkTablespaces(facts),
    ...(wanted.incremental === true ? [checkSummaries(facts)] : []),
    checkSynchronousCommit(facts),
    checkSqlConnection(facts),
    checkFileLocations(facts),
    checkPasswordTransport(facts),
  ];
}

function checkVersion(facts: ServerFacts): Prerequisite {
  const version = formatVersion(facts.serverVersion);
  if (versionTraits(facts.serverVersion).known) return passed("VERSION", `PostgreSQL ${version}`);
  return failed("VERSION", "warning", `PostgreSQL ${version} is newer than ${newestMajor}, the newest that is known: it is treated like that one`);
}

function checkWalLevel(facts: ServerFacts): Prerequisite {
  if (facts.walLevel !== "minimal") return passed("WAL_LEVEL", `wal_level is ${facts.walLevel ?? "not known"}`);
  return failed(
    "WAL_LEVEL",
    "error",
    "wal_level is minimal: the WAL does not hold what a backup needs",
    "ALTER SYSTEM SET wal_level = 'replica'; -- then restart PostgreSQL",
  );
}

/** The stream and a base backup run at the same time. */
const neededSenders = 2;

function checkWalSenders(facts: ServerFacts): Prerequisite {
  const { maxWalSenders } = facts;
  if (maxWalSenders === undefined || maxWalSenders >= neededSenders) {
    return passed("MAX_WAL_SENDERS", `max_wal_senders is ${maxWalSenders ?? "not known"}`);
  }
  return failed(
    "MAX_WAL_SENDERS",
    "error",
    `max_wal_senders is ${maxWalSenders}, but streaming and a backup need ${neededSenders}`,
    "ALTER SYSTEM SET max_wal_senders = 10; -- then restart PostgreSQL",
  );
}

function checkSlot(facts: ServerFacts, name: string, create: boolean): Prerequisite {
  const { slot } = facts;
  const literal = quoteLiteral(name);
  const make = `SELECT pg_catalog.pg_create_physical_replication_slot(${literal}, true);`;
  const drop = `SELECT pg_catalog.pg_drop_replication_slot(${literal});`;
  if (facts.maxReplicationSlots === 0) {
    return failed("SLOT", "error", "max_replication_slots is 0", "ALTER SYSTEM SET max_replication_slots = 10; -- then restart PostgreSQL");
  }
  if (slot.exists === undefined) return passed("SLOT", `whether replication slot "${name}" exists cannot be known`);
  if (!slot.exists) {
    if (create) return passed("SLOT", `replication slot "${name}" does not exist and will be created`);
    return failed("SLOT", "error", `replication slot "${name}" does not exist`, make);
  }
  if (slot.type !== undefined && slot.type !== "physical") {
    return failed("SLOT", "error", `replication slot "${name}" is ${slot.type}, a physical one is needed`, `${drop} ${make}`);
  }
  if (slot.walStatus === "lost") {
    return failed("SLOT", "error", `replication slot "${name}" has lost its WAL: there will be a gap`, `${drop} ${make}`);
  }
  return passed("SLOT", `replication slot "${name}" exists`);
}

function checkTablespaces(facts: ServerFacts): Prerequisite {
  const relative = facts.tablespaces?.find(({ inPlace, location }) => !inPlace && !location.startsWith("/"));
  if (relative !== undefined) {
    // BASE_BACKUP opens such a path from the wrong directory, finds nothing, and sends an empty archive without a word.
    return failed(
      "TABLESPACES",
      "error",
      `the link of tablespace ${quoteIdentifier(relative.name)} leads to the relative path "${relative.location}", and PostgreSQL leaves such ones out of a backup`,
      `replace the link pg_tblspc/${relative.oid} in the data directory by one to the absolute path, while the server is stopped`,
    );
  }
  const inside = facts.tablespaces?.filter((tablespace) => tablespace.inPlace) ?? [];
  if (inside.length === 0 || versionTraits(facts.serverVersion).inPlaceTablespacesBackedUp) {
    return passed("TABLESPACES", "all tablespaces can be backed up");
  }
  const names = inside.map((tablespace) => quoteIdentifier(tablespace.name)).join(", ");
  return failed(
    "TABLESPACES",
    "error",
    `tablespace ${names} lies in the data directory, and this version of PostgreSQL leaves such ones out of a backup`,
    inside.map((tablespace) => `DROP TABLESPACE ${quoteIdentifier(tablespace.name)}; -- after its objects were moved`).join("\n"),
  );
}

function checkSummaries(facts: ServerFacts): Prerequisite {
  if (!versionTraits(facts.serverVersion).incrementalBackup) {
    return failed("SUMMARIZE_WAL", "error", "incremental backups need PostgreSQL 17 or later");
  }
  if (facts.summarizeWal === true) return passed("SUMMARIZE_WAL", "summarize_wal is on");
  return failed(
    "SUMMARIZE_WAL",
    "error",
    "summarize_wal is off: incremental backups are not possible",
    "ALTER SYSTEM SET summarize_wal = on; SELECT pg_catalog.pg_reload_conf();",
  );
}

/** A receiver applies nothing, so nobody who waits for `remote_apply` is ever answered. */
function checkSynchronousCommit(facts: ServerFacts): Prerequisite {
  const synchronous = (facts.synchronousStandbyNames ?? "") !== "";
  if (!synchronous || facts.synchronousCommit !== "remote_apply") {
    return passed("SYNCHRONOUS_COMMIT", "commits do not wait for something that never comes");
  }
  return failed(
    "SYNCHRONOUS_COMMIT",
    "warning",
    "synchronous_commit is remote_apply: a commit that waits for Moneta waits for ever",
    "ALTER SYSTEM SET synchronous_commit = 'on'; SELECT pg_catalog.pg_reload_conf();",
  );
}

function checkSqlConnection(facts: ServerFacts): Prerequisite {
  if (facts.sqlUnavailable === undefined) return passed("SQL_CONNECTION", "SQL can be run");
  return failed(
    "SQL_CONNECTION",
    "warning",
    `no SQL connection, so slot and tablespaces are known in part only: ${facts.sqlUnavailable}`,
    `GRANT CONNECT ON DATABASE postgres TO ${quoteIdentifier(facts.user)}; -- and a line for it in pg_hba.conf`,
  );
}

function checkFileLocations(facts: ServerFacts): Prerequisite {
  if (facts.configFile !== undefined) return passed("FILE_LOCATIONS", "locations of the server's files are known");
  return failed(
    "FILE_LOCATIONS",
    "warning",
    "the role may not see where the server keeps its configuration files",
    `GRANT pg_read_all_settings TO ${quoteIdentifier(facts.user)};`,
  );
}

function checkPasswordTransport(facts: ServerFacts): Prerequisite {
  const exposed = facts.authentication === "cleartext" && !facts.encrypted && !facts.host.startsWith("/");
  if (!exposed) return passed("PASSWORD_TRANSPORT", "the password does not travel in clear text");
  return failed(
    "PASSWORD_TRANSPORT",
    "warning",
    "the password travels in clear text",
    "use scram-sha-256 instead of password in pg_hba.conf, or TLS",
  );
}
