/** A repository with everything in it that can be damaged: each compression, clear and sealed, two timelines, WAL in every form. */
import { randomBytes } from "node:crypto";
import { appendFileSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { BackupInfo } from "../../../src/repository/index.ts";
import type { PipelineSpec } from "../../../src/pipeline/index.ts";
import { createMasterKey, readMasterKey } from "../../../src/vault/index.ts";
import { logicalDigest, type LogicalDigest } from "../../support/compare-clusters.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { createRig, promoted, type Rig } from "./rig.ts";

export interface World {
  readonly source: Cluster;
  readonly rig: Rig;
  readonly backups: readonly BackupInfo[];
  /** What every restore to the end of the archive yields. */
  readonly contents: LogicalDigest;
}

const everyForm: readonly PipelineSpec[] = (["none", "gzip", "zstd", "lz4", "bzip2"] as const).flatMap((compression) => [
  { compression, encryption: "none" } as const,
  { compression, encryption: compression === "gzip" ? "aes-192-gcm" : compression === "lz4" ? "aes-128-gcm" : "aes-256-gcm" } as const,
]);
const fewForms: readonly PipelineSpec[] = [
  { compression: "none", encryption: "none" },
  { compression: "zstd", encryption: "aes-256-gcm" },
];

/** Two backups in each form; the second half of them on timeline 2. The receiver is stopped, the source runs on. */
export async function createWorld(all: boolean): Promise<World> {
  const keyFile = join(temporaryDirectory().path, "keys", "master.key");
  mkdirSync(join(keyFile, ".."), { mode: 0o700 });
  await createMasterKey(keyFile, randomBytes(16).toString("hex"));
  const source = await createCluster({ settings: { restore_command: "false" } });
  const place = join(source.root, "space");
  mkdirSync(place, { mode: 0o700 });
  giveToUnprivileged(place);
  await source.sql(`CREATE TABLESPACE space LOCATION '${place}'`);
  await source.sql("CREATE TABLE kept AS SELECT g, md5(g::text) AS v FROM generate_series(1, 30000) g");
  await source.sql("CREATE TABLE spaced TABLESPACE space AS SELECT g, md5(g::text) AS v FROM generate_series(1, 3000) g");
  const rig = await createRig(source, { masterKey: await readMasterKey(keyFile), masterKeyFile: keyFile });
  const backups: BackupInfo[] = [];
  const forms = all ? everyForm : fewForms;
  for (const [index, form] of [...forms, ...forms].entries()) {
    if (index === forms.length) {
      await nextTimeline(source);
      // The archive has a segment and the history of the new timeline before it is backed up.
      await source.sql("CREATE TABLE on_timeline_two (); SELECT pg_switch_wal()");
    }
    await source.sql(`INSERT INTO kept SELECT -g, md5(g::text) FROM generate_series(${index * 100}, ${index * 100 + 99}) g`);
    await rig.caughtUp();
    backups.push(await rig.backup(form));
    // What the last ones leave stays unarchived.
    if (index % 2 === 0 && index < 2 * forms.length - 2) await rig.archive(form);
  }
  await source.sql("INSERT INTO kept SELECT 0, 'last'");
  await rig.caughtUp();
  await rig.covered();
  const contents = await logicalDigest(source);
  await rig.stopReceiver();
  return { source, rig, backups, contents };
}

/** The server comes back from its own archive recovery, which begins a timeline. */
async function nextTimeline(source: Cluster): Promise<void> {
  await source.stop("fast");
  writeFileSync(join(source.dataDir, "recovery.signal"), "");
  giveToUnprivileged(join(source.dataDir, "recovery.signal"));
  appendFileSync(join(source.dataDir, "postgresql.conf"), "\n");
  await source.start();
  await promoted(source);
  await source.sql("CHECKPOINT");
}

export interface RepositoryFile {
  readonly absolute: string;
  /** Below the directory of the server. */
  readonly relative: string;
  readonly kind: string;
  /** Of the backup that it belongs to. */
  readonly label: string | undefined;
}

/** Every file of the repository of a server, with what it is. */
export function repositoryFiles(root: string, server: string): RepositoryFile[] {
  const top = join(root, server);
  const names = readdirSync(top, { recursive: true, encoding: "utf8" });
  return names.sort().flatMap((name) => {
    const absolute = join(top, name);
    if (!lstatSync(absolute).isFile()) return [];
    const path = relative(top, absolute);
    return [{ absolute, relative: path, kind: kindOf(path), label: /^backup\/([0-9]{14})\//.exec(path)?.[1] }];
  });
}

const kinds: readonly (readonly [RegExp, string])[] = [
  [/^backup\/\d+\/backup\.(info|chunks|manifest|sha\d+)$/, "$1 of a backup"],
  [/^backup\/\d+\/data\/(backup_label|tablespace_map|backup_manifest)$/, "$1"],
  [/^backup\/\d+\/data\/global\/pg_control.*$/, "pg_control"],
  [/^backup\/\d+\/data\/PG_VERSION.*$/, "PG_VERSION"],
  [/^backup\/\d+\/tblspc_.*$/, "file of a tablespace"],
  [/^backup\/\d+\/data\/.*\.aes$/, "sealed data file"],
  [/^backup\/\d+\/data\/.*\.(gz|zstd|lz4|bz2)$/, "compressed data file"],
  [/^backup\/\d+\/data\/.*$/, "plain data file"],
  [/^wal\/[0-9A-F]{24}\.partial$/, "partial segment"],
  [/^wal\/[0-9A-F]{24}$/, "raw segment"],
  [/^wal\/[0-9A-F]{24}.*\.aes$/, "sealed segment"],
  [/^wal\/[0-9A-F]{24}\..*$/, "compressed segment"],
  [/^wal\/[0-9A-F]{8}\.history$/, "history"],
  [/^wal_index\/.*$/, "WAL index"],
  [/^keys\/current$/, "current key"],
  [/^keys\/.*$/, "data key"],
];

function kindOf(path: string): string {
  for (const [pattern, kind] of kinds) {
    const match = pattern.exec(path);
    if (match !== null) return kind.replace("$1", match[1] ?? "");
  }
  return path;
}
