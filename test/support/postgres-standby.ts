import { lstat, mkdir, readdir, readlink, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Cluster, StandbyOptions } from "./postgres-cluster.ts";
import { run } from "./processes.ts";
import { giveToUnprivileged } from "./unprivileged-user.ts";

/**
 * Makes the data directory of a streaming standby with the low-level backup functions, because pg_basebackup
 * does not come with the embedded binaries (manual, section "Making a Base Backup Using the Low Level API").
 */
export async function createStandbyData(primary: Cluster, dataDir: string, options: StandbyOptions): Promise<void> {
  if (options.slot !== undefined) {
    await primary.sql(
      `SELECT pg_create_physical_replication_slot('${options.slot}', true)
        WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '${options.slot}')`,
    );
  }
  const session = await primary.connect({ applicationName: "make standby" });
  const old = primary.major < 15;
  await session.query(old ? "SELECT pg_start_backup('standby', true, false)" : "SELECT pg_backup_start('standby', true)");
  await copyRunning(primary.dataDir, dataDir);
  await ownTablespaces(dataDir);
  const answer = await session.query<{ labelfile: string }>(
    old ? "SELECT labelfile FROM pg_stop_backup(false, false)" : "SELECT labelfile FROM pg_backup_stop(false)",
  );
  await session.end();
  await writeFile(join(dataDir, "backup_label"), answer.rows[0]?.labelfile ?? "");
  await writeFile(join(dataDir, "standby.signal"), "");
  const { host, port, user } = primary.connectionOptions;
  const conninfo = `host=${host} port=${port} user=${user} application_name=${options.applicationName ?? "standby"}`;
  const lines = [`primary_conninfo = '${conninfo}'`, "hot_standby = on", `primary_slot_name = '${options.slot ?? ""}'`];
  await writeFile(join(dataDir, "postgresql.auto.conf"), `${lines.join("\n")}\n`);
  giveToUnprivileged(dataDir);
}

/** A file that vanishes or changes during the copy is what replay of the WAL repairs; anything else is an error. */
async function copyRunning(from: string, to: string): Promise<void> {
  const done = await run("cp", ["-a", from, to], { unprivileged: true });
  const complaints = done.stderr.split("\n").filter((line) => line !== "" && !line.includes("No such file or directory"));
  if (complaints.length > 0) throw new Error(`cannot copy ${from}: ${complaints.join("; ")}`);
  for (const name of ["postmaster.pid", "postmaster.opts"]) await rm(join(to, name), { force: true });
  // As pg_basebackup does: behind the end of a segment that was switched its copy may hold bytes of the segment that it was before.
  for (const name of await readdir(join(to, "pg_wal"))) if (/^[0-9A-F]{24}/.test(name)) await rm(join(to, "pg_wal", name));
  for (const name of await readdir(join(to, "pg_replslot"))) await rm(join(to, "pg_replslot", name), { recursive: true });
}

/** Tablespaces of the copy move beside it: left as they are, its links would point at the files of the primary. */
async function ownTablespaces(dataDir: string): Promise<void> {
  const links = join(dataDir, "pg_tblspc");
  for (const oid of await readdir(links)) {
    const link = join(links, oid);
    if (!(await lstat(link)).isSymbolicLink()) continue;
    const own = join(dirname(dataDir), "tablespaces", oid);
    await mkdir(dirname(own), { recursive: true });
    giveToUnprivileged(dirname(own));
    await copyRunningTablespace(await readlink(link), own);
    await symlink(own, `${link}.new`);
    await rename(`${link}.new`, link);
  }
}

async function copyRunningTablespace(from: string, to: string): Promise<void> {
  const done = await run("cp", ["-a", from, to], { unprivileged: true });
  const complaints = done.stderr.split("\n").filter((line) => line !== "" && !line.includes("No such file or directory"));
  if (complaints.length > 0) throw new Error(`cannot copy ${from}: ${complaints.join("; ")}`);
}
