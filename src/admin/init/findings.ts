/** What a server lacks, as a pure function of what it said: with the statement or the line that puts it right. */
import { formatByteSize, isLoopback } from "../../common/index.ts";
import type { ServerLook } from "./server-look.ts";

/** One thing about a server. `stop`: nothing is begun before it is put right. */
export interface Finding {
  readonly level: "ok" | "note" | "stop";
  /** A sentence without its full stop. */
  readonly text: string;
  /** To be typed as it stands. */
  readonly remedy?: readonly string[];
}

export interface Circumstances {
  readonly host: string;
  readonly role: string;
  readonly slot: string;
  /** Bytes free where the repository is or will be. */
  readonly freeBytes: number;
  /** The configuration has this server with this slot already: a slot that is in use is in use by us. */
  readonly known: boolean;
}

const ok = (text: string): Finding => ({ level: "ok", text });
const note = (text: string, remedy?: readonly string[]): Finding => ({ level: "note", text, ...(remedy === undefined ? {} : { remedy }) });
const stop = (text: string, remedy: readonly string[]): Finding => ({ level: "stop", text, remedy });

const oldest = 130_000;
/** The stream and a base backup run at the same time. */
const neededSenders = 2;
const thenRestart = "-- then restart PostgreSQL: no reload is enough for this setting";

/** Everything worth saying about the server, in the order in which it is said. */
export function judgeServer(look: ServerLook, circumstances: Circumstances): Finding[] {
  return [
    ...version(look),
    ...walLevel(look),
    ...senders(look),
    ...slots(look, circumstances),
    ...recovery(look, circumstances),
    ...encryption(look, circumstances),
    ...checksums(look),
    ...size(look, circumstances),
    ...summaries(look),
  ];
}

function version({ version: number, versionText }: ServerLook): Finding[] {
  if (number < oldest) return [stop(`PostgreSQL ${versionText} is older than 13, the oldest that Moneta knows`, ["upgrade the server to PostgreSQL 13 or later"])];
  return [ok(`PostgreSQL ${versionText}`)];
}

function walLevel({ settings }: ServerLook): Finding[] {
  const level = settings.get("wal_level");
  if (level === "minimal") {
    return [stop("wal_level is minimal: the WAL does not hold what a backup needs", ["ALTER SYSTEM SET wal_level = 'replica';", thenRestart])];
  }
  return level === undefined ? [] : [ok(`wal_level is ${level}`)];
}

function senders({ settings }: ServerLook): Finding[] {
  const most = settings.get("max_wal_senders");
  if (most === undefined) return [];
  if (Number(most) < neededSenders) {
    const text = `max_wal_senders is ${most}, but the stream and a backup need ${neededSenders}`;
    return [stop(text, ["ALTER SYSTEM SET max_wal_senders = 10;", thenRestart])];
  }
  return [ok(`max_wal_senders is ${most}`)];
}

function slots({ slot, slots: used, settings }: ServerLook, { slot: name, known }: Circumstances): Finding[] {
  const most = settings.get("max_replication_slots");
  if (slot !== undefined) {
    if (slot.type !== "physical") return [stop(`the replication slot "${name}" is ${slot.type}, and a physical one is needed`, [`choose another name with --slot`])];
    if (slot.active && !known) {
      return [stop(`the replication slot "${name}" is used by somebody else`, ["choose another name with --slot", `or see who it is: SELECT * FROM pg_stat_replication;`])];
    }
    return [ok(`the replication slot "${name}" exists`)];
  }
  if (most === undefined) return [];
  if (used >= Number(most)) {
    const raise = [`ALTER SYSTEM SET max_replication_slots = ${Number(most) + 10};`, thenRestart];
    const drop = ["-- or drop one that nobody needs:", "SELECT slot_name, active FROM pg_replication_slots;", "SELECT pg_drop_replication_slot('…');"];
    return [stop(`no replication slot is free: ${used} of max_replication_slots = ${most} exist`, used === 0 ? raise : [...raise, ...drop])];
  }
  return [ok(`${Number(most) - used} of ${most} replication slots are free`)];
}

function recovery({ inRecovery, role }: ServerLook, { role: name }: Circumstances): Finding[] {
  if (!inRecovery) return [];
  if (role === undefined) return [stop(`the server is a standby, on which the role "${name}" cannot be made`, ["run this command against its primary once, with --no-start"])];
  return [note("the server is a standby: Moneta streams and backs up from it, and its primary has to keep the WAL that it still needs")];
}

function encryption({ encrypted, settings }: ServerLook, { host }: Circumstances): Finding[] {
  if (host.startsWith("/")) return [ok("the connection is a socket of this machine")];
  if (encrypted) return [ok("the connection is encrypted")];
  if (isLoopback(host)) return [ok("the connection does not leave this machine")];
  const why = settings.get("ssl") === "off" ? "ssl is off on the server" : "the server was reached without TLS";
  return [note(`${why}: everything that is backed up crosses the network in clear text`, ["ALTER SYSTEM SET ssl = on;  -- with ssl_cert_file and ssl_key_file", "SELECT pg_reload_conf();"])];
}

function checksums({ settings }: ServerLook): Finding[] {
  const state = settings.get("data_checksums");
  if (state === undefined) return [];
  if (state === "on") return [ok("data checksums are on: every page is checked in every backup")];
  return [note("data checksums are off: damage of a page on the server's disk is not noticed by a backup", ["pg_checksums --enable -D <data directory>  # while the server is stopped"])];
}

function size({ databaseBytes, unmeasured, tablespaces }: ServerLook, { freeBytes }: Circumstances): Finding[] {
  const hidden = unmeasured === 0 ? "" : `, without ${unmeasured} whose size this role may not see`;
  const found = [ok(`the databases have ${formatByteSize(databaseBytes)}${hidden}; ${formatByteSize(freeBytes)} are free for the repository`)];
  if (databaseBytes > freeBytes) found.push(note("the repository has less room than the databases take: whether a backup fits depends on how well they compress"));
  if (tablespaces.length > 0) found.push(ok(`tablespaces are backed up too: ${tablespaces.join(", ")}`));
  return found;
}

function summaries({ settings }: ServerLook): Finding[] {
  const state = settings.get("summarize_wal");
  return state === undefined ? [] : [ok(`summarize_wal is ${state}, which full backups do not need`)];
}
