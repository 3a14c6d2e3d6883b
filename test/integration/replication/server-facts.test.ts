import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseLsn } from "../../../src/postgres/index.ts";
import { checkPrerequisites, connect, createPhysicalSlot, identifySystem, prerequisiteOfFailure, readServerFacts, startWalStream } from "../../../src/replication/index.ts";
import type { WantedFeatures } from "../../../src/replication/index.ts";
import { ALL_MAJORS } from "../../support/postgres-binaries.ts";
import { createCluster } from "../../support/postgres-cluster.ts";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { requires, testOnMajors } from "../../support/requires.ts";
import { giveToUnprivileged } from "../../support/unprivileged-user.ts";
import { waitFor } from "../../support/wait-for.ts";
import { connectOptions } from "./real.ts";

async function lacking(cluster: Cluster, wanted: WantedFeatures, user = "repl"): Promise<string[]> {
  const question = wanted.slot === undefined ? {} : { slot: wanted.slot };
  const facts = await readServerFacts(connectOptions(cluster, { user }), question);
  return checkPrerequisites(facts, wanted).flatMap((each) => (each.ok ? [] : [each.code]));
}

testOnMajors(
  ALL_MAJORS,
  "PostgreSQL %s tells its facts to a role with nothing but REPLICATION",
  async (major) => {
    const segmentSize = major === 15 ? 1024 * 1024 : 16 * 1024 * 1024;
    const cluster = await createCluster({
      major,
      walSegmentSize: segmentSize,
      checksums: major !== 14,
      settings: { max_slot_wal_keep_size: "2GB", wal_sender_timeout: "45s", synchronous_standby_names: "", timezone: "Europe/Vienna" },
    });
    await cluster.sql("CREATE ROLE repl LOGIN REPLICATION");
    const location = join(cluster.root, "ts");
    mkdirSync(location, { mode: 0o700 });
    giveToUnprivileged(location);
    await cluster.sql(`CREATE TABLESPACE "a ""space""" LOCATION '${location}'`);
    const oid = Number(await cluster.value("SELECT oid FROM pg_tablespace WHERE spcname ~ 'space'"));

    const facts = await readServerFacts(connectOptions(cluster, { user: "repl" }), { slot: "moneta" });
    expect(facts).toMatchObject({
      user: "repl",
      systemIdentifier: await cluster.value("SELECT system_identifier FROM pg_control_system()"),
      timeline: 1,
      inRecovery: false,
      dataChecksums: major !== 14,
      segmentSize,
      blockSize: 8192,
      walBlockSize: 8192,
      relationSegmentBlocks: 131_072,
      timezone: "Europe/Vienna",
      walLevel: "replica",
      maxWalSenders: 10,
      maxReplicationSlots: 10,
      maxSlotWalKeepSize: 2 * 1024 ** 3,
      walSenderTimeoutMs: 45_000,
      synchronousStandbyNames: "",
      synchronousCommit: "on",
      summarizeWal: major >= 17 ? false : undefined,
      archiveMode: "off",
      fullPageWrites: true,
      dataDirectory: undefined,
      configFile: undefined,
      sqlUnavailable: undefined,
      role: { name: "repl", superuser: false, replication: true, readsAllSettings: false, switchesWal: false },
      slot: { name: "moneta", exists: false },
      tablespaces: [{ oid, name: 'a "space"', location, inPlace: false }],
    });
    expect(Math.floor(facts.serverVersion / 10_000)).toBe(major);
    expect(facts.versionText).toContain(String(major));
    expect(await lacking(cluster, { slot: "moneta", createSlot: true })).toEqual(["FILE_LOCATIONS"]);

    // The statement that is named does help.
    const missing = checkPrerequisites(facts, { slot: "moneta" }).filter((each) => !each.ok);
    expect(missing.map((each) => each.code)).toEqual(["SLOT", "FILE_LOCATIONS"]);
    for (const each of missing) await cluster.sql(each.statement ?? "");
    const after = await readServerFacts(connectOptions(cluster, { user: "repl" }), { slot: "moneta" });
    expect(checkPrerequisites(after, { slot: "moneta" }).every((each) => each.ok)).toBe(true);
    expect(after).toMatchObject({
      dataDirectory: cluster.dataDir,
      configFile: join(cluster.dataDir, "postgresql.conf"),
      hbaFile: join(cluster.dataDir, "pg_hba.conf"),
      slot: { exists: true, type: "physical", active: false, temporary: false, walStatus: "reserved" },
    });
    expect(after.slot.restartLsn).toBe(parseLsn(await cluster.value("SELECT restart_lsn FROM pg_replication_slots")));
    await cluster.destroy();
  },
);

requires("postgres-15").describe("on PostgreSQL 15", () => {
  test("nothing that a role, a database or a hostile schema has set changes what is read", async () => {
    const cluster = await createCluster({ hba: [] });
    await cluster.sql("CREATE ROLE repl LOGIN REPLICATION");
    await cluster.sql("CREATE DATABASE odd ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    const db = { database: "odd" };
    await cluster.sql("CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC; CREATE TABLE evil.called (what text); GRANT INSERT ON evil.called TO PUBLIC", db);
    const trap = (signature: string, type: string, value: string): string =>
      `CREATE FUNCTION evil.${signature} RETURNS ${type} LANGUAGE plpgsql AS $$ BEGIN INSERT INTO evil.called VALUES ('${signature.slice(0, 8)}'); RETURN ${value}; END $$`;
    for (const [signature, type, value] of [
      ["pg_is_in_recovery()", "boolean", "true"],
      ["pg_has_role(oid, text, text)", "boolean", "true"],
      ["has_function_privilege(oid, text, text)", "boolean", "true"],
      ["pg_tablespace_location(oid)", "text", "'/evil'"],
      ["equal(name, name)", "boolean", "true"],
      ["equal(name, text)", "boolean", "true"],
      ["differ(name, name)", "boolean", "true"],
    ] as const) {
      await cluster.sql(trap(signature, type, value), db);
    }
    await cluster.sql(
      "CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.equal); CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = text, FUNCTION = evil.equal); CREATE OPERATOR evil.<> (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.differ)",
      db,
    );
    for (const view of ["pg_roles", "pg_tablespace", "pg_replication_slots"]) await cluster.sql(`CREATE TABLE evil.${view} (rolname name, oid oid, slot_name name)`, db);
    for (const setting of ["search_path = evil, pg_catalog", "default_transaction_read_only = on", "datestyle = 'German'", "client_encoding = 'LATIN1'", "synchronous_commit = 'remote_apply'", "TimeZone = 'Asia/Tokyo'", "standard_conforming_strings = off"]) {
      await cluster.sql(`ALTER ROLE repl SET ${setting}; ALTER DATABASE odd SET ${setting}`);
    }
    const trusting = { slot: "it's" };
    const facts = await readServerFacts(connectOptions(cluster, { user: "repl", database: "odd" }), trusting);
    expect(facts).toMatchObject({
      sqlUnavailable: undefined,
      inRecovery: false,
      synchronousCommit: "on",
      timezone: "UTC",
      role: { name: "repl", readsAllSettings: false, switchesWal: false },
      slot: { name: "it's", exists: false },
      tablespaces: [],
    });
    expect(await cluster.sql("SELECT * FROM evil.called", db)).toEqual([]);
    await cluster.destroy();
  });

  test("a role that may not connect to a database still gets everything that the replication connection tells", async () => {
    const cluster = await createCluster({ hba: ["local postgres repl reject"] });
    await cluster.sql("CREATE ROLE repl LOGIN REPLICATION; SELECT pg_create_physical_replication_slot('moneta', true)");
    const facts = await readServerFacts(connectOptions(cluster, { user: "repl" }), { slot: "moneta" });
    expect(facts).toMatchObject({
      inRecovery: false,
      walLevel: "replica",
      role: undefined,
      tablespaces: undefined,
      slot: { name: "moneta", exists: true, type: "physical" },
    });
    expect(facts.sqlUnavailable).toContain("pg_hba.conf");
    expect(facts.slot.restartLsn).toBeDefined();
    expect(await lacking(cluster, { slot: "moneta" })).toEqual(["SQL_CONNECTION", "FILE_LOCATIONS"]);
    const absent = await readServerFacts(connectOptions(cluster, { user: "repl" }), { slot: "absent" });
    expect(absent.slot).toEqual({ name: "absent", exists: false });
    await cluster.destroy();
  });

  test("slots that cannot be used are named: logical, lost, in use", async () => {
    const cluster = await createCluster({ settings: { wal_level: "logical", max_slot_wal_keep_size: "1MB", max_wal_size: "32MB", min_wal_size: "32MB" }, hba: ["local postgres nosql reject"] });
    await cluster.sql("CREATE ROLE repl LOGIN REPLICATION; CREATE ROLE nosql LOGIN REPLICATION");
    await cluster.sql("SELECT pg_create_logical_replication_slot('logical', 'pgoutput')");
    expect(await lacking(cluster, { slot: "logical" })).toEqual(["SLOT", "FILE_LOCATIONS"]);
    expect(await lacking(cluster, { slot: "logical" }, "nosql")).toEqual(["SLOT", "SQL_CONNECTION", "FILE_LOCATIONS"]);
    await cluster.sql("SELECT pg_drop_replication_slot('logical')");
    await cluster.sql("SELECT pg_create_physical_replication_slot('lost', true)");
    for (let i = 0; i < 4; i++) await cluster.sql("SELECT pg_switch_wal(); CHECKPOINT; CREATE TABLE IF NOT EXISTS x (a int); INSERT INTO x VALUES (1)");
    await waitFor("the slot is lost", async () => (await cluster.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'lost'")) === "lost");
    expect(await lacking(cluster, { slot: "lost" })).toEqual(["SLOT", "FILE_LOCATIONS"]);

    const connection = await connect(connectOptions(cluster));
    const { timeline, xlogpos } = await identifySystem(connection);
    await createPhysicalSlot(connection, "used");
    const ended = new Promise((resolve) => {
      const ignore = (): void => undefined;
      startWalStream(connection, { slot: "used", timeline, start: xlogpos }, { onData: ignore, onKeepalive: ignore, onTimelineEnd: resolve, onClosed: resolve });
    });
    const active = await waitFor("the slot is in use", async () => {
      const { slot } = await readServerFacts(connectOptions(cluster, { user: "repl" }), { slot: "used" });
      return slot.active === true ? slot : undefined;
    });
    expect(active.activePid).toBe(connection.processId);
    connection.destroy();
    await ended;
    await cluster.destroy();
  });

  test("a standby is one, and a tablespace in place is refused before a backup leaves it out", async () => {
    const primary = await createCluster();
    await primary.sql("CREATE ROLE repl LOGIN REPLICATION");
    const session = await primary.connect();
    await session.query("SET allow_in_place_tablespaces = on");
    await session.query("CREATE TABLESPACE inside LOCATION ''");
    await session.end();
    expect(await lacking(primary, {})).toEqual(["TABLESPACES", "FILE_LOCATIONS"]);
    await primary.sql("DROP TABLESPACE inside");
    const standby = await primary.createStandby();
    expect(await readServerFacts(connectOptions(standby, { user: "repl" }))).toMatchObject({ inRecovery: true, tablespaces: [], slot: { exists: undefined } });
    await primary.destroy();
  });

  test("a commit that would wait for ever is foreseen", async () => {
    const cluster = await createCluster({ settings: { synchronous_standby_names: "moneta", synchronous_commit: "remote_apply" } });
    const facts = await readServerFacts(connectOptions(cluster));
    expect(checkPrerequisites(facts).filter((each) => !each.ok).map((each) => each.code)).toEqual(["SYNCHRONOUS_COMMIT"]);
    await cluster.destroy();
  });

  test("a replication connection that is refused is explained with the statement that helps", async () => {
    const cluster = await createCluster({ hba: ["local replication locked scram-sha-256", "local replication rejected reject"] });
    await cluster.sql("CREATE ROLE weak LOGIN; CREATE ROLE nologin REPLICATION; CREATE ROLE locked LOGIN REPLICATION PASSWORD 'x'; CREATE ROLE rejected LOGIN REPLICATION");
    const explain = async (user: string): Promise<ReturnType<typeof prerequisiteOfFailure>> => {
      const error = await readServerFacts(connectOptions(cluster, { user, password: async () => "wrong" })).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      return prerequisiteOfFailure(error, user, cluster.socketDir);
    };
    expect(await explain("weak")).toMatchObject({ code: "REPLICATION_ROLE" });
    expect(await explain("nologin")).toMatchObject({ code: "ROLE_LOGIN" });
    expect(await explain("locked")).toMatchObject({ code: "PASSWORD" });
    expect(await explain("rejected")).toMatchObject({ code: "HBA" });
    expect(await explain("absent")).toMatchObject({ code: "ROLE" });
    for (const user of ["weak", "nologin"]) {
      await cluster.sql((await explain(user))?.statement ?? "");
      expect(await explain(user)).toBeUndefined();
    }
    // Whoever only reports the error names the remedy as well.
    await expect(connect(connectOptions(cluster, { user: "rejected" }))).rejects.toMatchObject({
      message: expect.stringContaining("to put it right: local replication \"rejected\"") as unknown,
      details: { sqlstate: "28000", statement: expect.stringContaining("pg_hba.conf") as unknown },
    });
    await cluster.configure({ wal_level: "minimal", max_wal_senders: 0 });
    await cluster.restart();
    expect(await explain("weak")).toMatchObject({ code: "MAX_WAL_SENDERS" });
    await cluster.destroy();
  });
});

describe("a server that cannot be reached", () => {
  test("is no missing prerequisite", async () => {
    const options = { host: "127.0.0.1", port: 1, user: "u", replication: true, applicationName: "a", tls: { mode: "disable" as const }, connectTimeoutMs: 5000, keepAlive: true, noDelay: true };
    const error = await readServerFacts(options).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "SERVER_UNREACHABLE" });
    expect(prerequisiteOfFailure(error, "u", "127.0.0.1")).toBeUndefined();
  });
});
