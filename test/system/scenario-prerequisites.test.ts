/**
 * A06: a role that may do no more than log in, replicate and connect is enough for every command; and whatever else
 * a server lacks is named, by `status details` and by `backup`, with the statement that puts it right. Once that
 * statement has run, the stream comes by itself. One daemon has them all, so that they wait side by side.
 */
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type CliResult, type Daemon, type DaemonServer } from "../support/daemon.ts";
import { findPostgres, type PostgresMajor } from "../support/postgres-binaries.ts";
import { createCluster, type Cluster, type Settings } from "../support/postgres-cluster.ts";
import { testOnMajors } from "../support/requires.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, serverStatus } from "./daemon-observation.ts";

interface Lack {
  /** Name of the server section, and of role and slot. */
  readonly name: string;
  readonly what: string;
  /** Settings of a cluster of its own; without them it shares the healthy one. */
  readonly settings?: Settings;
  /** WAL can be streamed all the same: only a backup cannot be taken, and both `status` and `backup` say so. */
  readonly streams?: boolean;
  /** Even a backup can be taken. */
  readonly backs?: boolean;
  /** Makes the fault, with the cluster running. */
  readonly make: (cluster: Cluster) => Promise<unknown>;
  /** What the messages must contain: the statement, to be typed as it stands. */
  readonly statement: string;
  readonly repair: (statement: string, cluster: Cluster) => Promise<unknown>;
}

const password = "0 least privilege";
const createSlot = (name: string): string => `SELECT pg_catalog.pg_create_physical_replication_slot('${name}', true);`;
const runAndRestart = async (statement: string, cluster: Cluster): Promise<void> => {
  await cluster.sql(statement);
  await cluster.restart();
};

const lacks: readonly Lack[] = [
  {
    name: "replication",
    what: "the right to replicate",
    make: (cluster) => cluster.sql("ALTER ROLE replication NOREPLICATION"),
    statement: 'ALTER ROLE "replication" WITH REPLICATION;',
    repair: (statement, cluster) => cluster.sql(statement),
  },
  {
    name: "login",
    what: "the right to log in",
    make: (cluster) => cluster.sql("ALTER ROLE login NOLOGIN"),
    statement: 'ALTER ROLE "login" WITH LOGIN;',
    repair: (statement, cluster) => cluster.sql(statement),
  },
  {
    name: "password",
    what: "the right password",
    make: (cluster) => cluster.sql("ALTER ROLE password PASSWORD 'another'"),
    statement: `ALTER ROLE "password" WITH PASSWORD '…';`,
    repair: (statement, cluster) => cluster.sql(statement.replace("…", password)),
  },
  {
    name: "hba",
    what: "a line of pg_hba.conf",
    make: async () => undefined,
    statement: 'local replication "hba" scram-sha-256',
    async repair(line, cluster) {
      await appendFile(join(cluster.dataDir, "pg_hba.conf"), `${line}\n`);
      await cluster.reload();
    },
  },
  {
    name: "slot",
    what: "the slot, which is not to be created",
    make: async () => undefined,
    statement: createSlot("slot"),
    repair: (statement, cluster) => cluster.sql(statement),
  },
  {
    name: "no_sender",
    what: "walsenders",
    settings: { max_wal_senders: 10 },
    make: (cluster) => runAndRestart("ALTER SYSTEM SET max_wal_senders = 0", cluster),
    statement: "ALTER SYSTEM SET max_wal_senders = 10;",
    repair: runAndRestart,
  },
  {
    name: "one_sender",
    what: "walsenders besides the one that streams",
    settings: { max_wal_senders: 10 },
    streams: true,
    make: (cluster) => runAndRestart("ALTER SYSTEM SET max_wal_senders = 1", cluster),
    statement: "ALTER SYSTEM SET max_wal_senders = 10;",
    repair: runAndRestart,
  },
  {
    name: "applying",
    what: "an end of the waiting for it to apply anything",
    settings: { synchronous_standby_names: "applying_another", synchronous_commit: "local" },
    streams: true,
    backs: true,
    async make(cluster) {
      await cluster.sql("ALTER SYSTEM SET synchronous_commit = 'remote_apply'");
      await cluster.reload();
    },
    statement: "ALTER SYSTEM SET synchronous_commit = 'on'; SELECT pg_catalog.pg_reload_conf();",
    async repair(statement, cluster) {
      for (const one of statement.split("; ")) await cluster.sql(one);
    },
  },
  {
    name: "minimal",
    what: "a sufficient wal_level",
    settings: { max_wal_senders: 10 },
    async make(cluster) {
      // PostgreSQL itself refuses walsenders and slots with that level.
      await cluster.sql("SELECT pg_drop_replication_slot('minimal')");
      await cluster.sql("ALTER SYSTEM SET max_wal_senders = 0");
      await runAndRestart("ALTER SYSTEM SET wal_level = 'minimal'", cluster);
    },
    statement: "ALTER SYSTEM SET wal_level = 'replica'; ALTER SYSTEM SET max_wal_senders = 10;",
    async repair(statement, cluster) {
      for (const one of statement.split("; ")) await cluster.sql(one);
      await cluster.restart();
      await cluster.sql(createSlot("minimal"));
    },
  },
];

/** Majors whose walsenders differ, the one of the healthy cluster among them. */
const majors = [13, 15, 18] as const;
const least = (major: PostgresMajor): string => `least${major}`;

let healthy: Cluster;
const clusters = new Map<string, Cluster>();
let daemon: Daemon;
/** Asked for at once and for all of them, because each waits a while for the stream before it refuses. */
const refusals = new Map<string, Promise<CliResult>>();
beforeAll(async () => {
  healthy = await createCluster({ settings: { max_wal_senders: 20, max_replication_slots: 20 } });
  const servers: DaemonServer[] = [];
  for (const major of majors.filter((one) => findPostgres(one) !== undefined)) {
    const cluster = major === healthy.major ? healthy : await createCluster({ major });
    clusters.set(least(major), cluster);
    servers.push(await prepare(least(major), cluster));
  }
  for (const { name, settings } of lacks) {
    const cluster = settings === undefined ? healthy : await createCluster({ settings, ownIdentity: true });
    clusters.set(name, cluster);
    servers.push(await prepare(name, cluster));
  }
  await writeFile(join(healthy.dataDir, "pg_hba.conf"), hbaWithout("hba"));
  await healthy.reload();
  for (const { name, make } of lacks) await make(clusterOf(name));
  daemon = await createDaemon({ servers });
  for (const { name } of lacks) refusals.set(name, daemon.cli(["backup", name], { format: "none" }));
});
afterAll(async () => {
  await daemon.destroy();
  for (const cluster of new Set([healthy, ...clusters.values()])) await cluster.destroy();
});

function clusterOf(name: string): Cluster {
  const cluster = clusters.get(name);
  if (cluster === undefined) throw new Error(`there is no cluster for ${name}`);
  return cluster;
}

/** A role with nothing but LOGIN, REPLICATION and CONNECT, and its slot. */
async function prepare(name: string, cluster: Cluster): Promise<DaemonServer> {
  await cluster.sql(`REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
    CREATE ROLE "${name}" LOGIN REPLICATION PASSWORD '${password}';
    GRANT CONNECT ON DATABASE postgres TO "${name}"`);
  if (name !== "slot") await cluster.sql(createSlot(name));
  return { name, cluster, user: name, password, slot: name, settings: { create_slot: "no" } };
}

const hbaWithout = (name: string): string =>
  [least(15), ...lacks.map((lack) => lack.name)]
    .filter((one) => one !== name)
    .map((one) => `local replication ${one} scram-sha-256\n`)
    .concat("local all postgres trust\n", "local postgres all scram-sha-256\n")
    .join("");

interface Problem {
  readonly Code: string;
  readonly Message: string;
  readonly Statement?: string;
}

async function problemsOf(server: string): Promise<readonly Problem[]> {
  const { Problems } = await serverStatus(daemon, server);
  return Array.isArray(Problems) ? (Problems as Problem[]) : [];
}

describe("a role that may log in, replicate and connect", () => {
  testOnMajors(majors, "is enough for every command on %s", async (major) => {
    const name = least(major);
    await daemon.waitUntilStreaming(name);
    expect(await problemsOf(name)).toEqual([]);
    const backup = await ask(daemon, "backup", name);
    expect(backup).toMatchObject({ Valid: 1 });
    const label = String(backup["Backup"]);
    expect(await ask(daemon, "list-backup", name)).toMatchObject({ NumberOfBackups: 1 });
    expect(await ask(daemon, "info", name, label)).toMatchObject({ Backup: label, Valid: 1, MajorVersion: major });
    await ask(daemon, "status");
    await ask(daemon, "progress", name, "backup");
    const place = join(daemon.root, name);
    expect(await ask(daemon, "restore", name, "newest", place)).toMatchObject({
      Directory: join(place, `${name}-${label}`),
    });
    expect(await ask(daemon, "mode", name, "offline")).toMatchObject({ Online: false });
    expect(await ask(daemon, "mode", name, "online")).toMatchObject({ Online: true });
    await daemon.waitUntilStreaming(name);
    expect(await ask(daemon, "delete", name, label)).toMatchObject({ Backup: label });
    const memberships = `SELECT count(*) FROM pg_auth_members WHERE member = '${name}'::regrole`;
    expect(await clusterOf(name).value(memberships)).toBe("0");
  });
});

describe("what a server lacks is named with the statement that puts it right:", () => {
  it.concurrent.each(lacks)("$what", async ({ name, statement, repair, streams = false, backs = false }) => {
    await waitFor(
      "status details names the statement",
      async () => {
        if (streams && !(await serverStatus(daemon, name)).WalStreaming) return false;
        return (await problemsOf(name)).some((problem) => `${problem.Message} ${problem.Statement ?? ""}`.includes(statement));
      },
      { seen: () => daemon.log().slice(-3000), everyMs: 500 },
    );
    const refused = await refusals.get(name);
    if (backs) {
      expect(refused?.status).toBe(0);
    } else {
      expect(refused?.status).toBeGreaterThan(0);
      expect(refused?.stderr.replaceAll(/\s+/g, " ")).toContain(statement);
    }
    await repair(statement, clusterOf(name));
    await waitFor("the stream comes by itself", async () => (await serverStatus(daemon, name)).WalStreaming, {
      seen: () => daemon.log().slice(-3000),
      everyMs: 500,
    });
    await waitFor("nothing is wrong any more", async () => (await problemsOf(name)).length === 0);
    expect(await ask(daemon, "backup", name)).toMatchObject({ Valid: 1 });
  });
});
