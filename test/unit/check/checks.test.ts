import { describe, expect, it, test } from "vitest";
import {
  alarmSubjects,
  checkCodes,
  checkTable,
  nagiosLines,
  overall,
  runChecks,
  timeToFull,
  type Alarm,
  type AlarmSubject,
  type CheckCode,
  type CheckInput,
  type CheckStatus,
  type ProbeReport,
  type ServerFindings,
} from "../../../src/check/index.ts";
import { findings, healthy, noAlarms, now, report } from "./sample-input.ts";

const day = 86_400_000;
const gigabyte = 1024 ** 3;
const alarm: Alarm = { code: "SOMETHING", message: "something is wrong", hint: "Do something." };

const withProbe = (probe: Partial<ProbeReport>): Partial<CheckInput> => ({ probe: { ...report, ...probe } });
const withServer = (server: Partial<ServerFindings>): Partial<CheckInput> => withProbe({ server: { ...findings, ...server } });
const without = (code: string, severity: "error" | "warning" = "error", statement = "ALTER SYSTEM …"): Partial<CheckInput> =>
  withProbe({ prerequisites: report.prerequisites.map((one) => (one.code === code ? { code, ok: false, severity, message: `${code} is missing`, statement } : one)) });
const withAlarm = (subject: AlarmSubject, alarms: readonly Alarm[] = [alarm]): Partial<CheckInput> => ({ alarms: { ...noAlarms, [subject]: alarms } });
const withStream = (stream: Partial<CheckInput["stream"]>): Partial<CheckInput> => ({ stream: { ...healthy.stream, ...stream } });
const withBackups = (backups: Partial<CheckInput["backups"]>): Partial<CheckInput> => ({ backups: { ...healthy.backups, ...backups } });
const refused = (code: string): Partial<CheckInput> =>
  withProbe({ failure: alarm, server: null, prerequisites: [{ code, ok: false, severity: "error", message: `${code} stands against it`, statement: "ALTER ROLE …" }] });

const verdict = (change: Partial<CheckInput>, code: CheckCode) => runChecks({ ...healthy, ...change }, []).results.find((result) => result.code === code);

test("a server of which everything is as it should be is ok, and nothing is skipped that could be seen", () => {
  const done = runChecks(healthy, []);
  expect(done.results.filter(({ status }) => status !== "ok")).toEqual([]);
  expect(done.status).toBe("ok");
  expect(done.results.map(({ code }) => code)).toEqual(checkCodes);
});

test("at the first look it is not known how fast the WAL of the slot grows, and nothing is promised", () => {
  expect(verdict({ earlier: undefined }, "PRIMARY_WAL_SPACE")).toMatchObject({ status: "skipped", message: expect.stringMatching(/from the next check on/) as string });
});

test("the statement that gives the role its right back can be typed as it stands", () => {
  expect(verdict(withServer({ replicationRight: false }), "ROLE")?.statement).toBe('ALTER ROLE "moneta" WITH REPLICATION;');
});

const withList = (left: number, holds: number): Partial<CheckInput> =>
  withProbe({ certificates: [{ key: "tls_crl_file", path: "/l", ends: now + left * day, holds: holds * day, problem: null }] });

test("a list of revoked certificates is judged by how long such lists hold", () => {
  for (const [left, holds] of [[2, 7], [0.5, 1], [100, 365]] as const) expect(verdict(withList(left, holds), "CERTIFICATE_FILES")).toMatchObject({ status: "ok" });
});

/** K02: broken set-ups, each named by its code, with what to do. */
const broken: readonly (readonly [what: string, change: Partial<CheckInput>, code: CheckCode, status: CheckStatus, message: RegExp])[] = [
  ["an offline server", { online: false, probe: undefined, ...withAlarm("mode") }, "MODE", "warning", /something/],
  ["a server that does not answer", withProbe({ failure: alarm, server: null, prerequisites: [] }), "CONNECTION", "critical", /something/],
  ["a role that may not replicate", refused("REPLICATION_ROLE"), "ROLE", "critical", /REPLICATION_ROLE/],
  ["a role that may not log in", refused("ROLE_LOGIN"), "ROLE", "critical", /ROLE_LOGIN/],
  ["a wrong password", refused("PASSWORD"), "ROLE", "critical", /PASSWORD/],
  ["a missing line of pg_hba.conf", refused("HBA"), "ROLE", "critical", /HBA/],
  ["a role that lost REPLICATION while it streams", withServer({ replicationRight: false }), "ROLE", "critical", /lost REPLICATION/],
  ["no SQL connection", without("SQL_CONNECTION", "warning"), "SQL_CONNECTION", "warning", /missing/],
  ["missing grants", without("FILE_LOCATIONS", "warning"), "FILE_LOCATIONS", "warning", /missing/],
  ["a password in clear text", without("PASSWORD_TRANSPORT", "warning"), "PASSWORD_TRANSPORT", "warning", /missing/],
  ["a certificate of the server that ends in 20 days", withServer({ certificateEnds: now + 20 * day }), "SERVER_CERTIFICATE", "warning", /expires on 2026-12-10/],
  ["one that ends in 3 days", withServer({ certificateEnds: now + 3 * day }), "SERVER_CERTIFICATE", "critical", /expires/],
  ["one that has ended", withServer({ certificateEnds: now - day }), "SERVER_CERTIFICATE", "critical", /has expired/],
  ["a file with a certificate that has ended", withProbe({ certificates: [{ key: "tls_cert_file", path: "/c", ends: now - 1, holds: null, problem: null }] }), "CERTIFICATE_FILES", "critical", /tls_cert_file/],
  ["a file that is no certificate", withProbe({ certificates: [{ key: "tls_cert_file", path: "/c", ends: null, holds: null, problem: "PEM" }] }), "CERTIFICATE_FILES", "critical", /cannot be used: PEM/],
  ["a list of revoked certificates that has run out", withList(-1, 7), "CERTIFICATE_FILES", "critical", /tls_crl_file \("\/l"\) ran out on/],
  ["a list of a week that runs out tomorrow", withList(1, 7), "CERTIFICATE_FILES", "warning", /runs out on 2026-11-21/],
  ["a version that is too old", refused("VERSION"), "VERSION", "critical", /VERSION/],
  ["a version that is not known", without("VERSION", "warning"), "VERSION", "warning", /missing/],
  ["14.3", withServer({ version: 140_003, versionText: "14.3" }), "MINOR_VERSION", "warning", /CONCURRENTLY.*14\.4 has it fixed/],
  ["17.7", withServer({ version: 170_007, versionText: "17.7" }), "MINOR_VERSION", "warning", /incremental.*17\.8/],
  ["18.1", withServer({ version: 180_001, versionText: "18.1" }), "MINOR_VERSION", "warning", /incremental.*18\.2/],
  ["another cluster", withServer({ systemIdentifier: "1" }), "SYSTEM_IDENTIFIER", "critical", /cluster 1 answers/],
  ["clocks that are 20 s apart", withServer({ clockOffset: -20_000 }), "CLOCK", "warning", /20\.0 s behind/],
  ["clocks that are 20 min apart", withServer({ clockOffset: 1_200_000 }), "CLOCK", "critical", /20 min 00 s ahead/],
  ["a backup from the future", withBackups({ newest: now + day }), "CLOCK", "critical", /future/],
  ["wal_level minimal", without("WAL_LEVEL"), "WAL_LEVEL", "critical", /missing/],
  ["too few walsenders", without("MAX_WAL_SENDERS"), "MAX_WAL_SENDERS", "critical", /missing/],
  ["full_page_writes off", withServer({ fullPageWrites: false }), "FULL_PAGE_WRITES", "warning", /off/],
  ["synchronous_commit remote_apply", without("SYNCHRONOUS_COMMIT", "warning"), "SYNCHRONOUS_COMMIT", "warning", /missing/],
  ["page checksums off", withServer({ checksums: false }), "PAGE_CHECKSUMS", "warning", /off/],
  ["a tablespace that is left out", without("TABLESPACES"), "TABLESPACES", "critical", /missing/],
  ["no slot", without("SLOT"), "SLOT", "critical", /missing/],
  ["much WAL for the slot", without("SLOT_WAL", "warning"), "SLOT_WAL", "warning", /missing/],
  // 1 GB in 2 minutes, 10 GB left.
  ["a slot that soon loses WAL", { ...withServer({ position: String(0x5000000 + gigabyte) }), earlier: { at: now - 120_000, position: 0n, kept: 0n } }, "PRIMARY_WAL_SPACE", "critical", /loses WAL in 20 min/],
  ["a disk of the server that is full tomorrow", { ...withServer({ position: String(0x5000000 + 10 * 1024 ** 2), slotRoom: null, diskRoom: 3 * gigabyte }), earlier: { at: now - 120_000, position: 0n, kept: 0n } }, "PRIMARY_WAL_SPACE", "warning", /disk of the cluster is full in 10 h/],
  ["a receiver that is held up", withAlarm("receiver"), "RECEIVER", "critical", /something/],
  ["a receiver that does not run", withStream({ state: "failed" }), "RECEIVER", "critical", /failed/],
  ["a receiver that connects", withStream({ state: "connecting" }), "RECEIVER", "warning", /connecting/],
  ["a server that receives in the place of another", withAlarm("follow"), "RECEIVER", "warning", /something/],
  ["a lag of 17 segments", withStream({ serverEnd: 0x5000100n + 17n * 0x1000000n }), "WAL_LAG", "warning", /272 MB behind/],
  ["a lag of 65 segments", withStream({ serverEnd: 0x5000100n + 65n * 0x1000000n }), "WAL_LAG", "critical", /behind/],
  ["WAL that was written since the stream is silent", { ...withStream({ state: "disconnected" }), ...withServer({ position: String(0x5000100 + 65 * 0x1000000) }) }, "WAL_LAG", "critical", /behind/],
  ["a server that was heard 2 minutes ago", withStream({ lastHeard: now - 120_000 }), "WAL_AGE", "warning", /2 min 00 s ago/],
  ["a server that was heard an hour ago", withStream({ lastHeard: now - 3_600_000 }), "WAL_AGE", "critical", /1 h 00 min ago/],
  ["a gap", withAlarm("gaps"), "WAL_GAPS", "critical", /something/],
  ["a branch that was left", withAlarm("findings", [{ ...alarm, code: "WAL_BRANCH_LEFT" }]), "WAL_BRANCHES", "warning", /something/],
  ["a pushed file that differs", withAlarm("pushes"), "WAL_BRANCHES", "warning", /something/],
  ["segments that stay raw", withAlarm("archiving"), "WAL_ARCHIVE", "warning", /something/],
  ["a second copy that is stuck", withAlarm("second-copy"), "SECOND_COPY", "warning", /something/],
  ["a backup that is too old", withAlarm("overdue"), "LAST_BACKUP", "critical", /something/],
  ["no backup", withBackups({ valid: 0, newest: undefined }), "LAST_BACKUP", "critical", /there is no backup/],
  ["none that is valid", withBackups({ valid: 0, unusable: 2, newest: undefined }), "LAST_BACKUP", "critical", /none of 2 backups is valid/],
  ["a scheduled run that failed", withAlarm("schedule"), "SCHEDULE", "warning", /something/],
  ["a cluster without a backup", withAlarm("lineage"), "LINEAGE", "critical", /something/],
  ["a window that a gap cuts", withBackups({ windowFrom: now - 2 * day }), "WINDOW", "warning", /last 2 d 00 h .*oldest backup is 8 d 00 h old/],
  ["no window up to now", withBackups({ windowFrom: undefined }), "WINDOW", "critical", /no backup reaches up to now/],
  ["a damaged backup", withAlarm("damage"), "VERIFICATION", "critical", /something/],
  ["backups that were not read back", withAlarm("verification"), "VERIFICATION", "warning", /something/],
  ["a drill that failed", withAlarm("drill"), "DRILL", "critical", /something/],
  ["retention that is held up", withAlarm("retention"), "RETENTION", "warning", /something/],
  ["extra files that are missing", withAlarm("extra"), "EXTRA_FILES", "warning", /something/],
  ["a copy that is not up to date", withAlarm("hot-standby"), "HOT_STANDBY", "warning", /something/],
  ["a master key that does not open", withProbe({ keyProblem: alarm }), "ENCRYPTION_KEY", "critical", /something/],
  ["a disk with 5 %", { disks: [{ what: "base_dir", path: "/b", total: 100 * gigabyte, free: 5 * gigabyte, fullInMs: undefined }] }, "DISK_SPACE", "warning", /5\.00 GB of 100 GB/],
  ["a disk with 2 %", { disks: [{ what: "base_dir", path: "/b", total: 100 * gigabyte, free: 2 * gigabyte, fullInMs: undefined }] }, "DISK_SPACE", "critical", /2\.00 GB/],
  ["no room for another backup", { disks: [{ what: "base_dir", path: "/b", total: 1000 * gigabyte, free: 500 * gigabyte, fullInMs: undefined }], ...withBackups({ newestBytes: 600 * gigabyte }) }, "DISK_SPACE", "warning", /has no room/],
  ["a disk that nobody knows", { disks: [{ what: "base_dir", path: "/b", total: 0, free: 0, fullInMs: undefined }] }, "DISK_SPACE", "unknown", /not known/],
  ["a disk that fills up", withAlarm("space"), "DISK_FORECAST", "warning", /something/],
  ["a disk that is full in an hour", { ...withAlarm("space"), disks: [{ what: "base_dir", path: "/b", total: gigabyte, free: gigabyte, fullInMs: 3_600_000 }] }, "DISK_FORECAST", "critical", /something/],
  ["storage that does not answer", withAlarm("space", [{ ...alarm, code: "STORAGE_SILENT" }]), "DISK_FORECAST", "critical", /something/],
  ["notifications that are not delivered", { notifications: { configured: 1, failing: [alarm] } }, "NOTIFICATIONS", "warning", /something/],
];

describe("what is broken is named, with what to do:", () => {
  test.each(broken)("%s", (_what, change, code, status, message) => {
    const found = verdict(change, code);
    expect(found).toMatchObject({ status, message: expect.stringMatching(message) as string });
    expect(found?.fix ?? "").toMatch(/\S/);
    expect(runChecks({ ...healthy, ...change }, []).status).not.toBe("ok");
  });

  it("is broken here for every check", () => {
    expect(checkCodes.filter((code) => !broken.some(([, , named]) => named === code))).toEqual([]);
  });
});

test.each(alarmSubjects)("no alarm about %s is passed over", (subject) => {
  expect(runChecks({ ...healthy, ...withAlarm(subject) }, []).status).not.toBe("ok");
});

test("what nobody could look at is told from what there is not to be looked at: it is no end of what was found before", () => {
  const unseen = (change: Partial<CheckInput>, code: CheckCode) => verdict(change, code)?.unseen === true;
  const down = withProbe({ failure: alarm, server: null, prerequisites: [] });
  expect(["PRIMARY_WAL_SPACE", "CLOCK", "SERVER_CERTIFICATE", "WAL_LEVEL"].filter((code) => !unseen(down, code as CheckCode))).toEqual([]);
  expect(["ENCRYPTION_KEY", "CERTIFICATE_FILES", "CLOCK"].filter((code) => !unseen({ online: false, probe: undefined }, code as CheckCode))).toEqual([]);
  expect(unseen({ earlier: undefined }, "PRIMARY_WAL_SPACE")).toBe(true);
  expect(unseen(withServer({ certificateEnds: null }), "SERVER_CERTIFICATE")).toBe(false);
  expect(unseen({ encrypts: false }, "ENCRYPTION_KEY")).toBe(false);
  expect(unseen(withProbe({ certificates: [] }), "CERTIFICATE_FILES")).toBe(false);
});

test("what the receiver found counts when the server cannot be asked", () => {
  const change = { ...withProbe({ failure: alarm, server: null, prerequisites: [] }), ...withAlarm("findings", [{ ...alarm, code: "SLOT", statement: "SELECT …" }]) };
  expect(verdict(change, "SLOT")).toMatchObject({ status: "critical", statement: "SELECT …" });
  expect(verdict(change, "WAL_LEVEL")).toMatchObject({ status: "skipped" });
});

test("what the configuration ignores is shown and does not count", () => {
  const done = runChecks({ ...healthy, ...withServer({ checksums: false }) }, ["PAGE_CHECKSUMS", "WAL_GAPS"]);
  expect(done.status).toBe("ok");
  expect(done.results.filter(({ ignored }) => ignored).map(({ code }) => code)).toEqual(["PAGE_CHECKSUMS"]);
});

test("a check that fails itself is unknown and no yes", () => {
  const table = { ...checkTable, CLOCK: { ...checkTable.CLOCK, judge: () => { throw new Error("made by the test"); } } };
  const done = runChecks(healthy, [], table);
  expect(done.status).toBe("unknown");
  expect(done.results.find(({ code }) => code === "CLOCK")).toMatchObject({ status: "unknown", message: "the check itself failed: made by the test" });
});

test.each<[readonly CheckStatus[], string]>([
  [["ok", "skipped"], "ok"],
  [["ok", "unknown"], "unknown"],
  [["unknown", "warning"], "warning"],
  [["warning", "unknown", "critical"], "critical"],
])("%s come to %s", (statuses, expected) => {
  expect(overall(statuses.map((status) => ({ status, ignored: false })))).toBe(expected);
});

describe("the time until the server has no room for its WAL", () => {
  const growing = { ...healthy, ...withServer({ position: String(0x5000000 + gigabyte), slotRoom: 4 * gigabyte }) };
  it("goes by what the slot keeps since the last look", () => {
    const full = timeToFull({ ...growing, earlier: { at: now - 3_600_000, position: 0n, kept: 0n } });
    expect(full).toMatchObject({ ends: "slot" });
    expect(full?.ms).toBeCloseTo(4 * 3_600_000);
  });
  it("goes by the last word of a stream that is silent, at the first look", () => {
    const silent = { ...growing, earlier: undefined, ...withStream({ state: "disconnected", lastHeard: now - 3_600_000, serverEnd: 0x5000000n }) };
    expect(timeToFull(silent)?.ms).toBeCloseTo(4 * 3_600_000);
  });
  it("is not known of a slot that keeps no more than before", () => {
    expect(timeToFull({ ...growing, earlier: { at: now - 3_600_000, position: 0n, kept: BigInt(gigabyte) } })).toBeUndefined();
  });
});

describe("as a plugin prints it", () => {
  it("the first line has the worst, and figures that cannot be mistaken for text", () => {
    const change = { ...withServer({ checksums: false }), ...withAlarm("gaps", [{ ...alarm, message: "a | bar\nand a line" }]) };
    const [first = "", ...more] = nagiosLines(runChecks({ ...healthy, ...change }, []));
    expect(first).toMatch(/^MONETA CRITICAL - primary: WAL_GAPS: a \/ bar and a line \(and 1 more\) \| 'wal_lag'=0B;268435456;1073741824 /);
    expect(more).toEqual([
      "CRITICAL WAL_GAPS: a / bar and a line - Do something.",
      expect.stringMatching(/^WARNING PAGE_CHECKSUMS: page checksums are off - Stop the server/) as string,
    ]);
  });
  it("a good server is one line", () => {
    expect(nagiosLines(runChecks(healthy, []))).toEqual([expect.stringMatching(/^MONETA OK - primary: 41 checks \| .*'backup_age'=3600s;;172800 'backups'=3;; /) as string]);
  });
});
