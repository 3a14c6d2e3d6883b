import { describe, expect, test } from "vitest";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { checkPrerequisites, prerequisiteOfFailure, type Prerequisite, type ServerFacts, type WantedFeatures } from "../../../src/replication/index.ts";
import { serverError } from "../../../src/replication/server-error.ts";

const healthy: ServerFacts = {
  user: "repl",
  host: "db.example",
  serverVersion: 150_018,
  versionText: "15.18",
  systemIdentifier: "1",
  timeline: timelineId(1),
  xlogpos: lsn(1),
  encrypted: true,
  authentication: "SCRAM-SHA-256-PLUS",
  inRecovery: false,
  dataChecksums: true,
  segmentSize: 16_777_216,
  blockSize: 8192,
  walBlockSize: 8192,
  relationSegmentBlocks: 131_072,
  timezone: "UTC",
  walLevel: "replica",
  maxWalSenders: 10,
  maxReplicationSlots: 10,
  maxSlotWalKeepSize: -1,
  walSenderTimeoutMs: 60_000,
  synchronousStandbyNames: "",
  synchronousCommit: "on",
  summarizeWal: undefined,
  archiveMode: "off",
  fullPageWrites: true,
  dataDirectory: "/data",
  configFile: "/data/postgresql.conf",
  hbaFile: "/data/pg_hba.conf",
  identFile: "/data/pg_ident.conf",
  sqlUnavailable: undefined,
  role: { name: "repl", superuser: false, replication: true, readsAllSettings: true, switchesWal: false },
  slot: { name: "moneta", exists: true, type: "physical", walStatus: "reserved" },
  tablespaceNames: [],
  tablespaces: [],
  extensions: [],
};

const gigabyte = 1024 ** 3;

const failures = (facts: Partial<ServerFacts>, wanted: WantedFeatures = { slot: "moneta" }): Prerequisite[] =>
  checkPrerequisites({ ...healthy, ...facts }, wanted).filter((each) => !each.ok);

test("a server that has everything lacks nothing", () => {
  expect(failures({})).toEqual([]);
});

describe("what is missing comes with the statement that fixes it", () => {
  const inPlace = { oid: 1, name: 'odd"name', location: "pg_tblspc/1", inPlace: true };
  test.each<[string, Partial<ServerFacts>, WantedFeatures, string, RegExp]>([
    ["wal_level", { walLevel: "minimal" }, {}, "WAL_LEVEL", /SET wal_level = 'replica'/],
    ["walsenders", { maxWalSenders: 1 }, {}, "MAX_WAL_SENDERS", /SET max_wal_senders/],
    ["the slot", { slot: { name: "it's", exists: false } }, { slot: "it's" }, "SLOT", /pg_create_physical_replication_slot\('it''s', true\)/],
    ["a physical slot", { slot: { name: "s", exists: true, type: "logical" } }, { slot: "s" }, "SLOT", /pg_drop_replication_slot/],
    ["the slot's WAL", { slot: { name: "s", exists: true, type: "physical", walStatus: "lost" } }, { slot: "s" }, "SLOT", /pg_drop_replication_slot/],
    ["room for slots", { maxReplicationSlots: 0 }, { slot: "s", createSlot: true }, "SLOT", /SET max_replication_slots/],
    ["tablespaces outside", { tablespaces: [inPlace] }, {}, "TABLESPACES", /DROP TABLESPACE "odd""name"/],
    ["absolute links", { serverVersion: 160_000, tablespaces: [{ oid: 7, name: "t", location: "../t", inPlace: false }] }, {}, "TABLESPACES", /pg_tblspc\/7 .* absolute/],
    ["summaries", { serverVersion: 170_000, summarizeWal: false }, { incremental: true }, "SUMMARIZE_WAL", /SET summarize_wal = on/],
    ["commits that end", { synchronousStandbyNames: "*", synchronousCommit: "remote_apply" }, {}, "SYNCHRONOUS_COMMIT", /synchronous_commit = 'on'/],
    ["SQL", { sqlUnavailable: "no" }, {}, "SQL_CONNECTION", /GRANT CONNECT ON DATABASE postgres TO "repl"/],
    ["sight of the files", { configFile: undefined }, {}, "FILE_LOCATIONS", /GRANT pg_read_all_settings TO "repl"/],
    ["a safe password", { encrypted: false, authentication: "cleartext" }, {}, "PASSWORD_TRANSPORT", /scram-sha-256/],
  ])("%s", (_what, facts, wanted, code, statement) => {
    const found = failures(facts, wanted);
    expect(found.map((each) => each.code)).toEqual([code]);
    expect(found[0]?.statement).toMatch(statement);
  });

  const keeping = (slot: Partial<ServerFacts["slot"]>, maxSlotWalKeepSize: number): Partial<ServerFacts> => ({
    slot: { name: "moneta", exists: true, type: "physical", restartLsn: lsn(0), ...slot },
    xlogpos: lsn(3 * gigabyte),
    maxSlotWalKeepSize,
  });
  test.each<[string, Partial<ServerFacts>, RegExp | undefined]>([
    ["kept without a limit, and no more than anyway", keeping({ walStatus: "reserved" }, -1), undefined],
    ["kept without a limit, and growing", keeping({ walStatus: "extended" }, -1), /keeps 3\.00 GB of WAL for replication slot "moneta".* without a limit: its disk may fill up/],
    ["kept within half of the limit", keeping({ walStatus: "reserved", safeWalSize: 5 * gigabyte }, 8 * gigabyte), undefined],
    ["kept beyond half of the limit", keeping({ walStatus: "reserved", safeWalSize: gigabyte }, 4 * gigabyte), /after 1\.00 GB more it removes what was not received/],
    ["kept beyond max_wal_size", keeping({ walStatus: "extended", safeWalSize: 5 * gigabyte }, 8 * gigabyte), /more than max_wal_size: after 5\.00 GB more/],
    ["kept no longer", keeping({ walStatus: "unreserved", safeWalSize: -5 }, gigabyte), /the next checkpoint may remove it/],
    ["unknown, as without SQL", { slot: { name: "moneta", exists: true }, maxSlotWalKeepSize: undefined }, undefined],
  ])("WAL that the slot needs is %s", (_what, facts, message) => {
    const [found, ...others] = failures(facts);
    expect(others).toEqual([]);
    expect(found?.code).toBe(message === undefined ? undefined : "SLOT_WAL");
    if (message !== undefined) expect(found).toMatchObject({ severity: "warning", message: expect.stringMatching(message) as string, statement: expect.stringContaining("max_slot_wal_keep_size") as string });
  });

  test("a missing slot that will be created is none, and in-place tablespaces are backed up from 16 on", () => {
    expect(failures({ slot: { name: "s", exists: false } }, { slot: "s", createSlot: true })).toEqual([]);
    expect(failures({ serverVersion: 160_000, tablespaces: [{ oid: 1, name: "t", location: "pg_tblspc/1", inPlace: true }] })).toEqual([]);
  });

  test("a newer major than the newest known is a warning, incremental backups before 17 an error", () => {
    expect(failures({ serverVersion: 190_000 })).toMatchObject([{ code: "VERSION", severity: "warning" }]);
    expect(failures({}, { incremental: true })).toMatchObject([{ code: "SUMMARIZE_WAL", severity: "error" }]);
  });
});

describe("a refused connection is explained", () => {
  const explain = (sqlstate: string, message: string, host = "db.example"): Prerequisite | undefined =>
    prerequisiteOfFailure(serverError({ severity: "FATAL", sqlstate, message }), "re pl", host);

  test.each([
    ["42501", "must be superuser or replication role to start walsender", "REPLICATION_ROLE", 'ALTER ROLE "re pl" WITH REPLICATION'],
    ["28000", 'role "re pl" does not exist', "ROLE", 'CREATE ROLE "re pl"'],
    ["28000", 'role "re pl" is not permitted to log in', "ROLE_LOGIN", "WITH LOGIN"],
    ["28000", "no pg_hba.conf entry for replication connection", "HBA", 'hostssl replication "re pl"'],
    ["28000", "connection requires a valid client certificate", "CLIENT_CERTIFICATE", "tls_cert_file"],
    ["28P01", "password authentication failed", "PASSWORD", "WITH PASSWORD"],
    ["53300", "number of requested standby connections exceeds max_wal_senders", "MAX_WAL_SENDERS", "SET max_wal_senders"],
  ])("%s %s", (sqlstate, message, code, statement) => {
    expect(explain(sqlstate, message)).toMatchObject({ code, ok: false, severity: "error" });
    expect(explain(sqlstate, message)?.statement).toContain(statement);
  });

  test("over a Unix socket the line of pg_hba.conf is a local one", () => {
    expect(explain("28000", "no pg_hba.conf entry", "/run/postgresql")?.statement).toContain("local replication");
  });

  test("and anything else is not taken for a missing prerequisite", () => {
    expect(explain("57P03", "the database system is starting up")).toBeUndefined();
    expect(prerequisiteOfFailure(new Error("x"), "u", "h")).toBeUndefined();
  });
});
