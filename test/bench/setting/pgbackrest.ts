/** pgBackRest from the distribution's package, on the machine of the server, as it is usually set up. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { runOrFail } from "../../support/processes.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { waitFor } from "../../support/wait-for.ts";
import { bytesBelow, type Bury } from "./disk.ts";

export interface PgBackRest {
  /** Lets the server archive to it, for as long as its runs are measured. */
  readonly activate: () => Promise<void>;
  readonly deactivate: () => Promise<void>;
  readonly backup: () => Promise<void>;
  readonly storedBytes: () => Promise<number>;
  readonly removeBackups: (bury: Bury) => Promise<void>;
  readonly restore: (directory: string) => Promise<void>;
  readonly destroy: () => Promise<void>;
}

export interface PgBackRestOptions {
  readonly cluster: Cluster;
  readonly program: string;
  /** Lines of its [global] section. */
  readonly settings: Readonly<Record<string, string>>;
  readonly processes?: number;
}

export async function preparePgBackRest({ cluster, program, settings, processes = 2 }: PgBackRestOptions): Promise<PgBackRest> {
  const directory = temporaryDirectory({ prefix: "mbr", unprivileged: true });
  const { path } = directory;
  const at = (name: string): string => join(path, name);
  for (const name of ["repo", "log", "spool", "lock"]) await mkdir(at(name));
  const global = {
    "repo1-path": at("repo"),
    "log-path": at("log"),
    "spool-path": at("spool"),
    "lock-path": at("lock"),
    "start-fast": "y",
    "repo1-retention-full": "9",
    "log-level-console": "warn",
    "log-level-file": "off",
    ...settings,
  };
  const stanza = { "pg1-path": cluster.dataDir, "pg1-port": String(cluster.port), "pg1-socket-path": cluster.socketDir, "pg1-user": "postgres" };
  const lines = (of: Readonly<Record<string, string>>): string => Object.entries(of).map(([key, value]) => `${key}=${value}\n`).join("");
  await writeFile(at("conf"), `[global]\n${lines(global)}[main]\n${lines(stanza)}`);

  const call = (...args: string[]): Promise<string> => runOrFail(program, [`--config=${at("conf")}`, "--stanza=main", ...args], { cwd: "/" });
  const archiveWith = async (command: string): Promise<void> => {
    await cluster.sql(`ALTER SYSTEM SET archive_command = '${command}'`);
    await cluster.reload();
    await waitFor("the archive command is in force", async () => (await cluster.value("SHOW archive_command")) === command);
  };
  const backups = join(at("repo"), "backup", "main");
  await call("stanza-create");
  return {
    activate: () => archiveWith(`${program} --config=${at("conf")} --stanza=main archive-push %p`),
    deactivate: () => archiveWith("/bin/true"),
    async backup() {
      await call(`--process-max=${processes}`, "--type=full", "backup");
    },
    storedBytes: () => bytesBelow(backups),
    async removeBackups(bury) {
      for (const name of await readdir(backups)) {
        if (/^\d{8}-\d{6}F$/.test(name)) await bury(join(backups, name));
      }
    },
    async restore(directory) {
      await call(`--process-max=${processes}`, `--pg1-path=${directory}`, "restore");
    },
    async destroy() {
      await archiveWith("/bin/true");
      await directory.remove();
    },
  };
}
