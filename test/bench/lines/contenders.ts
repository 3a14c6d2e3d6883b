/** Those who take part in more than one line. */
import { existsSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster, Settings } from "../../support/postgres-cluster.ts";
import { runOrFail } from "../../support/processes.ts";
import type { Contender } from "../measure/index.ts";
import { waitFor } from "../../support/wait-for.ts";
import { bytesBelow, prepareMoneta, preparePgBackRest, writeWal } from "../setting/index.ts";
import type { Moneta, PgBackRest } from "../setting/index.ts";
import type { BenchContext } from "./line.ts";

/** Runs `work` with things that must be given back, whatever happens. */
export async function withReleases<T>(work: (atEnd: (release: () => Promise<void>) => void) => Promise<T>): Promise<T> {
  const releases: (() => Promise<void>)[] = [];
  try {
    return await work((release) => releases.push(release));
  } finally {
    for (const release of releases.reverse()) await release();
  }
}

export type AtEnd = (release: () => Promise<void>) => void;

/** `moneta-cli backup`: the clock stops when it says that the backup is done, which is when it is synced, visible and its WAL durable. */
export async function monetaBackup(context: BenchContext, cluster: Cluster, atEnd: AtEnd, name: string, settings: Settings): Promise<Contender> {
  const moneta = await newMoneta(context, cluster, atEnd, settings);
  return {
    name,
    role: "moneta",
    surroundings: { daemon: moneta.daemon.pid, server: cluster.pid },
    prepare: moneta.start,
    run: moneta.backup,
    async after() {
      const storedBytes = await moneta.storedBytes();
      await moneta.stop();
      await context.bury(moneta.newest());
      return { storedBytes };
    },
  };
}

export async function newMoneta(context: BenchContext, cluster: Cluster, atEnd: AtEnd, settings: Settings): Promise<Moneta> {
  const moneta = await prepareMoneta({ cluster, settings, profile: context.profile });
  atEnd(moneta.destroy);
  return moneta;
}

/** One backup and so many megabytes of WAL after it, archived. The daemon has ended then. */
export async function backUpWithWal(moneta: Moneta, cluster: Cluster, megabytes: number): Promise<void> {
  await moneta.start();
  await moneta.backup();
  const end = await writeWal(cluster, megabytes);
  await waitFor(
    "the WAL has arrived",
    async () => (await cluster.value(`SELECT coalesce(bool_and(flush_lsn >= '${end}'), false) FROM pg_stat_replication`)) === "t",
    { deadlineMs: 300_000, everyMs: 100 },
  );
  await moneta.untilIdle();
  await moneta.stop();
}

/** `moneta-cli restore` of the newest backup into a new directory; the daemon's start is not part of it. */
export function monetaRestore(context: BenchContext, moneta: Moneta, target: string, ...flags: string[]): Contender {
  return {
    name: "Moneta",
    role: "moneta",
    surroundings: { daemon: moneta.daemon.pid },
    async prepare() {
      await mkdir(target);
      await moneta.start();
    },
    run: () => moneta.restore(target, ...flags),
    async after() {
      await moneta.stop();
      await context.bury(target);
    },
  };
}

/** `pgbackrest backup`, whose clock includes its waiting for the archiver, as its users' does. */
export async function pgBackRestBackup(
  context: BenchContext,
  cluster: Cluster,
  atEnd: AtEnd,
  name: string,
  settings: Readonly<Record<string, string>>,
): Promise<Contender> {
  const { missing } = context.programs.missing("pgbackrest");
  if (missing !== undefined) return { name, role: "peer", missing, run: () => Promise.resolve() };
  const repository = await newPgBackRest(context, cluster, atEnd, settings);
  return {
    name,
    role: "peer",
    surroundings: { server: cluster.pid },
    prepare: repository.activate,
    run: repository.backup,
    async after() {
      const storedBytes = await repository.storedBytes();
      await repository.removeBackups(context.bury);
      await repository.deactivate();
      return { storedBytes };
    },
  };
}

export async function newPgBackRest(context: BenchContext, cluster: Cluster, atEnd: AtEnd, settings: Readonly<Record<string, string>>): Promise<PgBackRest> {
  const repository = await preparePgBackRest({ cluster, program: context.programs.get("pgbackrest"), settings });
  atEnd(repository.destroy);
  return repository;
}

/** pg_basebackup with the WAL streamed beside it, so that it does not wait for the archiver; it syncs at the end. */
export function pgBasebackup(context: BenchContext, cluster: Cluster, name: string, ...options: string[]): Contender {
  const target = join(context.scratch, "pg_basebackup");
  return {
    name,
    role: "peer",
    ...context.programs.missing("pg_basebackup"),
    surroundings: { server: cluster.pid },
    async run() {
      await runOrFail(context.programs.get("pg_basebackup"), [...connection(cluster), "-c", "fast", "-X", "stream", "-D", target, ...options]);
    },
    async after() {
      const storedBytes = existsSync(target) ? await bytesBelow(target) : 0;
      await context.bury(target);
      return { storedBytes };
    },
  };
}

export const connection = (cluster: Cluster): string[] => ["-h", "127.0.0.1", "-p", String(cluster.port), "-U", "postgres"];

/** A tool that knows no PostgreSQL and turns one file into another: what the bytes cost at least. */
export function toolOnTar(context: BenchContext, program: "zstd" | "lz4" | "gzip" | "pigz" | "bzip2", name: string, tar: string, ...options: string[]): Contender {
  const output = join(context.scratch, "floor");
  return {
    name,
    role: "floor",
    ...context.programs.missing(program),
    async run() {
      await shell(`"${context.programs.get(program)}" ${options.join(" ")} -c "${tar}" > "${output}" && sync -d "${output}"`);
    },
    async after() {
      const storedBytes = existsSync(output) ? (await stat(output)).size : 0;
      await context.bury(output);
      return { storedBytes };
    },
  };
}

/** A copy of the files, synced: what the bytes cost when nobody looks at them. */
export function copyAndSync(context: BenchContext, plain: string): Contender {
  const target = join(context.scratch, "copy");
  return {
    name: "cp -a and sync",
    role: "floor",
    run: () => shell(`cp -a "${plain}" "${target}" && sync -f "${target}"`),
    after: () => context.bury(target),
  };
}

export async function shell(script: string): Promise<void> {
  await runOrFail("/bin/sh", ["-c", script]);
}

/** The cluster as a tar file, for the tools above. */
export async function makeTar(context: Pick<BenchContext, "programs" | "scratch">, cluster: Cluster, name: string): Promise<string> {
  const directory = join(context.scratch, name);
  await mkdir(directory);
  await runOrFail(context.programs.get("pg_basebackup"), [...connection(cluster), "-c", "fast", "-X", "none", "-Ft", "-D", directory]);
  return join(directory, "base.tar");
}

export async function makePlain(context: Pick<BenchContext, "programs" | "scratch">, cluster: Cluster, name: string): Promise<string> {
  const directory = join(context.scratch, name);
  await runOrFail(context.programs.get("pg_basebackup"), [...connection(cluster), "-c", "fast", "-X", "none", "-Fp", "--manifest-checksums=SHA256", "-D", directory]);
  return directory;
}

