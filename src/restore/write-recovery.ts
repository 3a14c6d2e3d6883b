/** Turns the files of the backup into a cluster that recovers as planned, and into nothing else. */
import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToBytes } from "../postgres/index.ts";
import { attempting } from "./attempt.ts";
import { cleanIncludes } from "./clean-includes.ts";
import type { PreparedRestore } from "./prepare.ts";
import { formatRecoveryPlan, recoveryPlanFile } from "./recovery-plan.ts";

/** Signals of another recovery, and the file of versions before 12 at which PostgreSQL refuses to start. */
const foreignFiles = ["recovery.signal", "standby.signal", "recovery.conf"];

/** A file of the cluster that is not the one of the backup. */
export interface RecoveryFile {
  /** Relative to the data directory. */
  readonly name: string;
  readonly content: Buffer;
  readonly mode: number;
  /** Only in the place of one that the backup has. */
  readonly onlyInstead?: boolean;
}

export interface RecoveryFiles {
  readonly files: readonly RecoveryFile[];
  /** What must not be there. */
  readonly absent: readonly string[];
}

/** What the cluster has besides, or instead of, the files of the backup; those that are included are not among them. */
export function recoveryFiles({ approach, configuration, position, recovery, plan }: PreparedRestore): RecoveryFiles {
  const usual = approach.backup.groupAccess ? 0o640 : 0o600;
  const file = (name: string, text: string, mode = usual): RecoveryFile => ({ name, content: pathToBytes(text), mode });
  const signal = position.role === "replica" ? "standby.signal" : "recovery.signal";
  return {
    files: [
      file("postgresql.conf", configuration.postgresqlConf),
      file("postgresql.auto.conf", configuration.autoConf),
      ...(configuration.hba === undefined ? [] : [file("pg_hba.conf", configuration.hba)]),
      // At the first start PostgreSQL makes the links that the map says, whatever links are there: it would lead to the
      // directories of the source. The links are right already.
      { ...file("tablespace_map", ""), onlyInstead: true },
      ...(plan.wal.copied ? [] : [file(recoveryPlanFile, formatRecoveryPlan(recovery), 0o600)]),
      file(signal, ""),
    ],
    absent: foreignFiles.filter((name) => name !== signal),
  };
}

export async function writeRecovery(prepared: PreparedRestore): Promise<void> {
  const { data } = prepared.paths;
  const { files, absent } = recoveryFiles(prepared);
  for (const name of absent) await attempting("remove", join(data, name), () => rm(join(data, name), { force: true }));
  for (const { name, content, mode, onlyInstead } of files) {
    const path = join(data, name);
    if (onlyInstead === true && !(await isThere(path))) continue;
    await attempting("write", path, async () => {
      await writeFile(path, content, { mode });
      await chmod(path, mode);
    });
  }
  await cleanIncludes(data, prepared.configuration.postgresqlConf);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await readFile(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    return attempting("read", path, () => Promise.reject(error as Error));
  }
}
