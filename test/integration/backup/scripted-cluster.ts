/**
 * A server of scripts that answers all that a backup asks before BASE_BACKUP, and then sends whatever the test wants.
 * Unchanged it gives a small, right backup.
 */
import { crc32c } from "../../../src/pipeline/index.ts";
import { manifestCrc32c, parseControlFile } from "../../../src/postgres/index.ts";
import { backend } from "../../support/backend-messages.ts";
import { createScriptedWalsender, type ScriptedPeer, type ScriptedWalsender } from "../../support/scripted-walsender.ts";
import { controlFileSample } from "../../unit/postgres/control-file-samples.ts";
import { manifestText } from "../../unit/postgres/manifest-writer.ts";
import { closing, directory, file } from "../../unit/tar/tar-archive.ts";

const control = controlFileSample(15);
export const systemIdentifier = parseControlFile(control).systemIdentifier;

const label = [
  "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)",
  "CHECKPOINT LOCATION: 0/2000060",
  "BACKUP METHOD: streamed",
  "BACKUP FROM: primary",
  "START TIME: 2026-11-20 09:39:06 UTC",
  "LABEL: x",
  "START TIMELINE: 1",
  "",
].join("\n");

/** The plain files of the right backup. */
export const files: Readonly<Record<string, Buffer>> = {
  backup_label: Buffer.from(label),
  "base/5/1259": Buffer.alloc(8192),
  "base/5/1247": Buffer.from("some bytes of a table"),
  "global/pg_control": control,
  PG_VERSION: Buffer.from("15\n"),
};

/** The archive of these files, with a directory as a server sends them. */
export const archiveOf = (content: Readonly<Record<string, Buffer>>): Buffer =>
  Buffer.concat([directory("base"), ...Object.entries(content).map(([name, body]) => file(name, body)), closing]);

/** The manifest of these files. */
export const manifestOf = (content: Readonly<Record<string, Buffer>>): string =>
  manifestText({
    version: 1,
    files: Object.entries(content).map(([path, body]) => ({ path, size: body.length, checksum: manifestCrc32c(crc32c(body)) })),
    ranges: [{ timeline: 1, start: "0/2000028", end: "0/2000100" }],
  });

export interface ScriptedBackup {
  readonly version?: string;
  readonly archive?: Buffer;
  readonly manifest?: string | Buffer;
  readonly start?: readonly [lsn: string, timeline: string];
  readonly stop?: readonly [lsn: string, timeline: string];
  /** Rows of the result set of tablespaces before that of the data directory, and their archives. */
  readonly tablespaces?: readonly { readonly oid: string; readonly location: string; readonly archive: Buffer }[];
  /** The catalogue does not have them (any more). */
  readonly dropped?: boolean;
  readonly systemIdentifier?: string;
}

const settings: Readonly<Record<string, string>> = {
  archive_mode: "off",
  block_size: "8192",
  data_checksums: "on",
  segment_size: "1GB",
  wal_block_size: "8192",
  wal_segment_size: "16MB",
  wal_level: "replica",
  max_wal_senders: "10",
  max_replication_slots: "10",
  max_slot_wal_keep_size: "-1",
  wal_sender_timeout: "1min",
  synchronous_standby_names: "",
  synchronous_commit: "on",
  full_page_writes: "on",
  config_file: "/etc/postgresql.conf",
  data_directory: "/data",
  hba_file: "/etc/pg_hba.conf",
  ident_file: "/etc/pg_ident.conf",
  TimeZone: "UTC",
};

const rows = (columns: readonly string[], ...values: (string | null)[][]): Buffer[] => [
  backend.columns(...columns),
  ...values.map((row) => backend.row(...row)),
  backend.complete("SELECT"),
];

function answerTo(sql: string, script: ScriptedBackup): Buffer[] {
  const shown = /^SHOW "?([A-Za-z_]+)"?$/.exec(sql)?.[1];
  if (shown !== undefined) {
    const value = settings[shown];
    if (value === undefined) return [backend.error({ code: "42704", message: `unrecognized configuration parameter "${shown}"` })];
    return rows([shown], [value]);
  }
  if (sql === "IDENTIFY_SYSTEM") return rows(["systemid", "timeline", "xlogpos", "dbname"], [script.systemIdentifier ?? systemIdentifier, "1", "0/2000028", null]);
  if (sql.startsWith("BASE_BACKUP")) return baseBackup(script);
  if (sql.includes("pg_is_in_recovery")) return rows(["recovery"], ["f"]);
  if (sql.includes("pg_roles")) return rows(["name", "superuser", "replication", "settings", "switch"], ["repl", "f", "t", "t", "t"]);
  if (sql.includes("pg_tablespace")) return rows(["oid", "name", "location"], ...(script.dropped === true ? [] : (script.tablespaces ?? [])).map(({ oid, location }) => [oid, `ts${oid}`, location]));
  if (sql.includes("pg_extension")) return rows(["name", "version", "comment"], ["plpgsql", "1.0", null]);
  throw new Error(`the script has no answer to ${sql}`);
}

function baseBackup({ archive = archiveOf(files), manifest = manifestOf(files), start = ["0/2000028", "1"], stop = ["0/2000100", "1"], tablespaces = [] }: ScriptedBackup): Buffer[] {
  const pieces = (bytes: Buffer): Buffer[] => {
    const messages: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 5000) messages.push(backend.archiveData(bytes.subarray(at, at + 5000)));
    return messages;
  };
  return [
    ...rows(["recptr", "tli"], [...start]),
    ...rows(["spcoid", "spclocation", "size"], ...tablespaces.map(({ oid, location }) => [oid, location, "1"]), [null, null, "40"]),
    backend.copyOut(),
    ...tablespaces.flatMap(({ oid, location, archive: bytes }) => [backend.archive(`${oid}.tar`, location), ...pieces(bytes)]),
    backend.archive("base.tar"),
    ...pieces(archive),
    backend.manifest(),
    ...pieces(Buffer.from(manifest)),
    backend.copyDone(),
    ...rows(["recptr", "tli"], [...stop]),
    backend.complete("BASE_BACKUP"),
  ];
}

/** Starts such a server; it answers on any number of connections until the client goes. */
export async function createScriptedCluster(script: () => ScriptedBackup): Promise<ScriptedWalsender> {
  return createScriptedWalsender(async (peer: ScriptedPeer) => {
    await peer.accept(script().version ?? "15.18 (scripted)");
    for (;;) {
      const { type, body } = await peer.receive();
      if (type === "X") return peer.end();
      await peer.send(...answerTo(body.toString("utf8", 0, body.length - 1), script()), backend.ready());
    }
  });
}

