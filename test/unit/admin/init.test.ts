/** The pure parts of `moneta-admin init`: which statements for which findings, the text of the configuration, the reading of answers. */
import { EventEmitter } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkAbsolute, checkPort, checkServerName, createAsk, settle } from "../../../src/admin/init/answers.ts";
import { differences, extendedConfiguration, newConfiguration, problemWith, readDocument } from "../../../src/admin/init/configuration-text.ts";
import { judgeServer, type Circumstances, type Finding } from "../../../src/admin/init/findings.ts";
import { checkPlaces, lookHere, makePlaces, placesOf, type LocalState } from "../../../src/admin/init/local-state.ts";
import { ownDaemon, printedOptions } from "../../../src/admin/init/daemon-place.ts";
import { backupIn, isProven, usableIn } from "../../../src/admin/init/proof.ts";
import { commandLine, complaintsIn, plannedIn, proofText, restoreCommands, retentionText, sayReport, startCommand, windowIn, windowText, type Report } from "../../../src/admin/init/report.ts";
import type { InitRequest, InitSurroundings, Wanted } from "../../../src/admin/init/request.ts";
import type { ServerLook } from "../../../src/admin/init/server-look.ts";
import { createSpeech } from "../../../src/admin/init/speech.ts";
import { hbaLines, roleStatements } from "../../../src/admin/init/statements.ts";
import { createInterruptions } from "../../../src/admin/interruptions.ts";
import { loadConfiguration } from "../../../src/config/index.ts";
import { registerSecret } from "../../../src/log/index.ts";

const environment = { HOME: "/var/lib/moneta" };

const settings = { wal_level: "replica", max_wal_senders: "10", max_replication_slots: "10", ssl: "on", data_checksums: "on" };
const look = (more: Partial<ServerLook> = {}, changed: Readonly<Record<string, string>> = {}): ServerLook => ({
  version: 150_018,
  versionText: "15.18",
  encrypted: true,
  seenFrom: "10.0.0.7",
  me: { name: "postgres", superuser: true, createsRoles: true },
  settings: new Map(Object.entries({ ...settings, ...changed })),
  systemIdentifier: "7298",
  inRecovery: false,
  databaseBytes: 30 * 1024 ** 2,
  unmeasured: 0,
  tablespaces: [],
  slots: 0,
  slot: undefined,
  role: undefined,
  provider: undefined,
  ...more,
});
const circumstances: Circumstances = { host: "db1", role: "repl", slot: "moneta", freeBytes: 1024 ** 3, known: false };
const judge = (server: ServerLook, more: Partial<Circumstances> = {}): Finding[] => judgeServer(server, { ...circumstances, ...more });
const at = (level: Finding["level"], findings: readonly Finding[]): Finding[] => findings.filter((finding) => finding.level === level);

describe("what a server lacks", () => {
  it("is nothing where all is well", () => {
    expect([at("stop", judge(look())), at("note", judge(look()))]).toEqual([[], []]);
  });
  it.each([
    ["a level without WAL to back up", look({}, { wal_level: "minimal" }), /wal_level is minimal/, "ALTER SYSTEM SET wal_level = 'replica';"],
    ["one walsender", look({}, { max_wal_senders: "1" }), /max_wal_senders is 1, but .* need 2/, "ALTER SYSTEM SET max_wal_senders = 10;"],
    ["no slots at all", look({}, { max_replication_slots: "0" }), /no replication slot is free: 0 of/, "ALTER SYSTEM SET max_replication_slots = 10;"],
    ["no slot left", look({ slots: 10 }), /10 of max_replication_slots = 10/, "SELECT pg_drop_replication_slot('…');"],
    ["a logical slot of that name", look({ slot: { type: "logical", active: false } }), /is logical, and a physical one/, "choose another name with --slot"],
    ["a slot in use", look({ slot: { type: "physical", active: true } }), /is used by somebody else/, "choose another name with --slot"],
    ["an old version", look({ version: 120_022, versionText: "12.22" }), /12\.22 is older than 13/, "upgrade the server to PostgreSQL 13 or later"],
    ["a standby without the role", look({ inRecovery: true }), /is a standby, on which the role "repl" cannot be made/, "run this command against its primary once, with --no-start"],
  ])("stops for %s", (_what, server, text, remedy) => {
    const found = at("stop", judge(server));
    expect(found).toHaveLength(1);
    expect(found[0]?.text).toMatch(text);
    expect(found[0]?.remedy).toContain(remedy);
  });
  it("has to be restarted for, and says so", () => {
    for (const name of ["wal_level", "max_wal_senders", "max_replication_slots"]) {
      const [found] = at("stop", judge(look({}, { [name]: name === "wal_level" ? "minimal" : "0" })));
      expect(found?.remedy?.join(" ")).toContain("then restart PostgreSQL");
    }
  });
  it("does not stop for the slot that our own daemon uses", () => {
    expect(at("stop", judge(look({ slots: 10, slot: { type: "physical", active: true } }), { known: true }))).toEqual([]);
  });
  it("is told without stopping where a backup can be taken all the same", () => {
    const notes = (server: ServerLook, more: Partial<Circumstances> = {}): string[] => at("note", judge(server, more)).map(({ text }) => text);
    expect(notes(look({ encrypted: false }, { ssl: "off" }))).toEqual([expect.stringContaining("ssl is off on the server")]);
    expect(notes(look({ encrypted: false }, { ssl: "off" }), { host: "127.0.0.1" })).toEqual([]);
    expect(notes(look({ encrypted: false }), { host: "/run/postgresql" })).toEqual([]);
    expect(notes(look({}, { data_checksums: "off" }))).toEqual([expect.stringContaining("data checksums are off")]);
    expect(notes(look(), { freeBytes: 1024 ** 2 })).toEqual([expect.stringContaining("less room than the databases take")]);
  });
});

describe("the statements for the role", () => {
  const secret = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy";
  const role = { login: true, replication: true, superuser: false, readsSettings: true, connects: true };
  const sql = (found: typeof role | undefined, given: string | undefined, name = "repl"): string[] =>
    roleStatements({ role: name, found, secret: given, database: "postgres" }).map((statement) => statement.sql);
  it("make one that is missing", () => {
    expect(sql(undefined, secret)).toEqual([`CREATE ROLE "repl" WITH LOGIN REPLICATION PASSWORD '${secret}';`, 'GRANT pg_read_all_settings TO "repl";']);
  });
  it("are none for one that has all, and only what it lacks for one that is there", () => {
    expect(sql(role, undefined)).toEqual([]);
    expect(sql({ ...role, login: false, replication: false }, undefined)).toEqual(['ALTER ROLE "repl" WITH LOGIN REPLICATION;']);
    expect(sql({ ...role, replication: false, readsSettings: false, connects: false }, undefined)).toEqual([
      'ALTER ROLE "repl" WITH REPLICATION;',
      'GRANT CONNECT ON DATABASE "postgres" TO "repl";',
      'GRANT pg_read_all_settings TO "repl";',
    ]);
    expect(sql(role, secret)).toEqual([`ALTER ROLE "repl" WITH PASSWORD '${secret}';`]);
  });
  it("quote what has to be quoted", () => {
    expect(sql(undefined, "a'b", 'we"ird')[0]).toBe(`CREATE ROLE "we""ird" WITH LOGIN REPLICATION PASSWORD 'a''b';`);
  });
  it("are needed but for the grants", () => {
    expect(roleStatements({ role: "repl", found: undefined, secret, database: "postgres" }).map(({ needed }) => needed)).toEqual([true, false]);
  });
});

describe("the lines of pg_hba.conf", () => {
  const wish = { role: "repl", database: "postgres", host: "db1", encrypted: true, seenFrom: "10.0.0.7" };
  it("let this machine in, for the stream and for SQL", () => {
    expect(hbaLines(wish)).toEqual(["hostssl  replication  repl  10.0.0.7/32  scram-sha-256", "hostssl  postgres     repl  10.0.0.7/32  scram-sha-256"]);
  });
  it("are for the kind of connection that there is", () => {
    expect(hbaLines({ ...wish, encrypted: false, seenFrom: "fd00::7" })[0]).toBe("host     replication  repl  fd00::7/128  scram-sha-256");
    expect(hbaLines({ ...wish, host: "/run/postgresql" })[0]).toBe("local    replication  repl  scram-sha-256");
    expect(hbaLines({ ...wish, seenFrom: undefined })[0]).toContain("<address of this machine>/32");
    expect(hbaLines({ ...wish, role: "Replicator", database: "all" })[1]).toBe('hostssl  "all"        "Replicator"  10.0.0.7/32  scram-sha-256');
  });
});

const wanted = (more: Partial<Wanted> = {}): Wanted => ({
  server: "primary",
  host: "db1",
  port: 5432,
  database: "postgres",
  tls: { mode: "prefer" },
  administrator: "postgres",
  role: "repl",
  slot: "moneta",
  repository: "/srv/moneta",
  socketDirectory: "/run/moneta",
  logFile: "/var/log/moneta.log",
  workspace: "/srv/scratch",
  schedule: "15 2 * * *",
  retention: "7",
  ...more,
});

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mainit"));
});
afterEach(() => {
  chmodSync(root, 0o700);
  rmSync(root, { recursive: true });
});

describe("the configuration", () => {
  const load = async (text: string): Promise<Awaited<ReturnType<typeof loadConfiguration>>> => {
    const main = join(root, "pgmoneta.conf");
    writeFileSync(main, text);
    return loadConfiguration({ main, environment: { HOME: root }, defaultDirectory: root, purpose: "offline" });
  };
  it("is one that the daemon takes, with every choice in it", async () => {
    const { configuration, warnings } = await load(newConfiguration("pgmoneta.conf", wanted(), true, environment));
    expect(warnings).toEqual([]);
    expect(configuration.main).toMatchObject({ unixSocketDir: "/run/moneta", baseDir: "/srv/moneta", logType: "file", logPath: "/var/log/moneta.log", workspace: "/srv/scratch" });
    expect(configuration.servers).toMatchObject([{ name: "primary", host: "db1", port: 5432, user: "repl", walSlot: "moneta", createSlot: true, encryption: "aes-256-gcm" }]);
    expect(configuration.servers[0]?.retention).toMatchObject({ kind: "calendar", days: 7 });
    expect(JSON.stringify([configuration.servers[0]?.backup, configuration.servers[0]?.drill])).toMatch(/15 2 \* \* \*.*0 5 \* \* sun/i);
  });
  it("has no drill where there are no programs for one, and TLS as it was asked for", async () => {
    const { configuration } = await load(newConfiguration("pgmoneta.conf", wanted({ tls: { mode: "verify-full", caFile: "/etc/ca.pem" } }), false, environment));
    expect(configuration.servers[0]).toMatchObject({ tlsMode: "verify-full", tlsCaFile: "/etc/ca.pem" });
    expect(configuration.servers[0]?.drill).toBeUndefined();
  });
  it("is refused with an answer that cannot stand in it", () => {
    expect(() => newConfiguration("pgmoneta.conf", wanted({ schedule: "never" }), false, environment)).toThrow(/backup: expected/);
    expect(() => newConfiguration("pgmoneta.conf", wanted({ host: "a\nb" }), false, environment)).toThrow(/end of a line/);
  });
  it("keeps every letter of a file that is there, and gains a section", async () => {
    const before = `# mine\n[pgmoneta]\nhost = localhost ; here\nunix_socket_dir = /run/x\nbase_dir = /srv/b\n\n[old]\nhost=a\nport=1\nuser=u\nwal_slot=s\n# the end`;
    const after = extendedConfiguration("pgmoneta.conf", before, wanted({ schedule: undefined, retention: "14" }), environment);
    expect(after.startsWith(before)).toBe(true);
    const { configuration } = await load(after);
    expect(configuration.servers.map(({ name }) => name)).toEqual(["old", "primary"]);
    expect(configuration.servers[1]?.retention).toMatchObject({ days: 14 });
    expect(after.slice(before.length)).not.toContain("backup");
  });
  it("tells a section of that name that says something else", () => {
    const document = readDocument("f", newConfiguration("f", wanted(), false, environment));
    expect(differences(document, wanted())).toEqual([]);
    expect(differences(document, wanted({ port: 5433, role: "other" }))).toEqual(["port is 5432, not 5433", "user is repl, not other"]);
  });
});

describe("answers", () => {
  it("are checked as the daemon would check them", () => {
    expect([checkPort("5432"), checkPort("0"), checkPort("70000"), checkPort("x")].map((problem) => problem === undefined)).toEqual([true, false, false, false]);
    expect(checkServerName("db-1.example")).toBeUndefined();
    for (const name of ["", "all", "pgmoneta", "a b", "-x", "a/b", ".."]) expect(checkServerName(name)).toBeDefined();
    expect(checkAbsolute("srv")).toBe("expected an absolute path");
    expect(problemWith("primary", "wal_slot", "moneta", environment)).toBeUndefined();
    expect(problemWith("primary", "wal_slot", "Moneta-1", environment)).toMatch(/expected the name of a replication slot/);
    expect(problemWith("pgmoneta", "backup", "15 2 * * *", environment)).toBeUndefined();
    expect(problemWith("pgmoneta", "retention", "a week", environment)).toMatch(/expected/);
  });

  const local: LocalState = {
    directory: "/etc/pgmoneta",
    directoryOption: [],
    main: "/etc/pgmoneta/pgmoneta.conf",
    users: "/etc/pgmoneta/pgmoneta_users.conf",
    document: undefined,
    options: undefined,
    masterKey: "/var/lib/moneta/.pgmoneta/master.key",
    home: "/var/lib/moneta",
    socketDirectory: "/var/lib/moneta/run",
    logFile: "/var/lib/moneta/moneta.log",
    unit: undefined,
  };
  const request = (more: Partial<InitRequest> = {}): InitRequest => ({ administrator: true, yes: true, resetPassword: false, start: true, backup: true, background: false, ...more });
  const asking = (answers: readonly string[]) => {
    const left = [...answers];
    const seen: string[] = [];
    const complaints: string[] = [];
    const prompt = { ask: async (question: string) => (seen.push(question), left.shift() ?? ""), askSecret: async () => "", close: () => undefined };
    return { seen, complaints, ask: createAsk(prompt, false, (text) => complaints.push(text)) };
  };
  it("have defaults where nobody is asked", async () => {
    const never = createAsk({ ask: () => Promise.reject(new Error("asked")), askSecret: () => Promise.reject(new Error("asked")), close: () => undefined }, true, () => undefined);
    expect(await settle(request({ host: "db1", port: "5433" }), local, never, environment)).toMatchObject({
      server: "primary", host: "db1", port: 5433, administrator: "postgres", role: "repl", slot: "moneta",
      repository: "/var/lib/moneta/repository", logFile: "/var/lib/moneta/moneta.log", schedule: "15 2 * * *", retention: "7",
    });
    expect((await settle(request({ administrator: false }), local, never, environment)).administrator).toBeUndefined();
  });
  it("are asked for again until they will do; Enter is what stands in brackets", async () => {
    const { ask, complaints, seen } = asking(["a b", "shop", "db1", "port", "5433", "", "-", "relative", "/srv/moneta", "hourly", "0 * * * *", ""]);
    expect(await settle(request({ yes: false }), local, ask, environment)).toMatchObject({
      server: "shop", host: "db1", port: 5433, role: "repl", administrator: undefined, repository: "/srv/moneta", schedule: "0 * * * *", retention: "7",
    });
    expect(complaints).toHaveLength(4);
    expect(seen.every((question) => question.length <= 80)).toBe(true);
  });
  it("that are given as options and will not do are refused by name", async () => {
    const { ask } = asking([]);
    for (const more of [{ port: "x" }, { serverName: "all" }, { slot: "A" }, { repository: "here" }, { schedule: "x" }]) {
      await expect(settle(request(more), local, ask, environment)).rejects.toMatchObject({ code: "ADMIN_USAGE", message: expect.stringContaining("--") as string });
    }
  });
  it("of a section that is there are not asked for, and its repository stays", async () => {
    const document = readDocument("f", newConfiguration("f", wanted({ host: "db9", port: 1234, role: "rr", slot: "ss" }), false, environment));
    const options = { baseDir: "/srv/moneta", unixSocketDir: "/run/moneta", logType: "file", logPath: "/x.log", masterKeyFile: local.masterKey } as LocalState["options"];
    const there = { ...local, document, options };
    const { ask, seen } = asking(["", ""]);
    expect(await settle(request({ yes: false }), there, ask, environment)).toMatchObject({ host: "db9", port: 1234, role: "rr", slot: "ss", repository: "/srv/moneta", schedule: undefined });
    expect(seen).toHaveLength(2);
    await expect(settle(request({ repository: "/elsewhere" }), there, ask, environment)).rejects.toMatchObject({ code: "ADMIN_INIT_CONFLICT" });
    // What would be sealed by a key that the daemon does not have, nobody could open.
    await expect(settle(request(), { ...there, masterKey: "/srv/other.key" }, ask, environment)).rejects.toMatchObject({ code: "ADMIN_INIT_CONFLICT", message: expect.stringContaining("not /srv/other.key") as string });
  });
  it("have a master key that lies elsewhere named in a new configuration, for the daemon to find it", async () => {
    const never = createAsk({ ask: () => Promise.reject(new Error("asked")), askSecret: () => Promise.reject(new Error("asked")), close: () => undefined }, true, () => undefined);
    expect((await settle(request(), local, never, environment)).masterKey).toBeUndefined();
    const masterKey = "/srv/keys/master.key";
    const settled = await settle(request(), { ...local, masterKey }, never, environment);
    const main = join(root, "pgmoneta.conf");
    writeFileSync(main, newConfiguration(main, settled, false, environment));
    const { configuration } = await loadConfiguration({ main, environment, defaultDirectory: root, purpose: "offline" });
    expect(configuration.main.masterKeyFile).toBe(masterKey);
  });
});

describe("places", () => {
  it("are made for nobody else, and what is in the way is named with the command for it", async () => {
    const repository = { what: "the repository", path: join(root, "a/b") };
    checkPlaces([repository], "moneta");
    expect(await makePlaces([repository])).toEqual([repository.path]);
    expect(await makePlaces([repository])).toEqual([]);
    expect(statSync(repository.path).mode & 0o777).toBe(0o700);
    writeFileSync(join(root, "file"), "");
    mkdirSync(join(root, "c"));
    expect(() => checkPlaces([{ ...repository, path: join(root, "file/x") }], "moneta")).toThrow(/not a directory; as root: install -d -o moneta -m 0700/);
    expect(() => checkPlaces([{ ...repository, path: join(root, "file") }], "moneta")).toThrow(/is not a directory/);
  });
});

describe("the page at the end", () => {
  const backup = { label: "20261130142211", endTime: Date.UTC(2026, 10, 30, 14, 22, 13), storedBytes: 4_000_000, restoredBytes: 40_000_000, provenAt: undefined, drillFailure: undefined, verifiedAt: undefined, verification: undefined };
  const report = (more: Partial<Report> = {}): Report => ({
    server: "primary",
    major: 15,
    repository: "/srv/moneta",
    configuration: "/etc/pgmoneta/pgmoneta.conf",
    users: "/etc/pgmoneta/pgmoneta_users.conf",
    masterKey: "/var/lib/moneta/.pgmoneta/master.key",
    logFile: "/var/lib/moneta/moneta.log",
    backups: [backup],
    proof: { label: backup.label, kind: "drill", moment: backup.endTime + 1000, earlier: false },
    window: { from: backup.endTime, message: "any moment of the last 5 s can be restored (policy: 7)" },
    planned: [{ kind: "backup", schedule: "15 2 * * *", next: Date.UTC(2026, 11, 1, 2, 15) }],
    retention: "7",
    complaints: [],
    client: { words: [], avoided: undefined },
    restores: "/var/lib/moneta/restore",
    pgCtl: "/usr/lib/postgresql/15/bin/pg_ctl",
    now: backup.endTime + 5000,
    ...more,
  });
  const linesOf = (given: Report): string[] => {
    const lines: string[] = [];
    sayReport(given, createSpeech((line) => lines.push(line)));
    return lines;
  };
  it("has the commands as they are typed", () => {
    expect(restoreCommands(report({ client: { words: ["-D", "/etc/my conf"], avoided: undefined } }))).toEqual([
      "moneta-cli -D '/etc/my conf' restore primary newest /var/lib/moneta/restore",
      "moneta-cli -D '/etc/my conf' restore primary newest 'time=2026-11-30 14:22:18+00' /var/lib/moneta/restore",
    ]);
    expect(startCommand(report())).toBe("/usr/lib/postgresql/15/bin/pg_ctl -D /var/lib/moneta/restore/primary-20261130142211 -o '-p 5433 -k /tmp' -w start");
    expect(commandLine(["echo", "it's"])).toBe(`echo 'it'\\''s'`);
  });
  it("says which proof there is, and never more", () => {
    expect(proofText(report().proof)).toContain("started by PostgreSQL");
    expect(proofText({ label: "l", kind: "verify", moment: undefined, earlier: false })).toContain("No server was started on it");
    expect(proofText(undefined)).toContain("nothing says yet");
    expect(linesOf(report({ proof: undefined, backups: [], window: { from: undefined, message: "nothing can be restored: there is no valid backup" } })).join("\n")).toMatch(/no backup of it is proven yet[^]*nothing can be restored/);
  });
  it("promises the moments that the daemon has without a gap, and none before them", () => {
    const now = Date.UTC(2026, 10, 30, 15);
    const told = (figures: object[], message: string) => windowText(windowIn({ Checks: [{ Code: "WINDOW", Message: message }], Figures: figures } as never, now));
    expect(told([{ Label: "backups", Value: 2 }, { Label: "window", Value: 3601 }], "any moment")).toBe("every moment from 2026-11-30 14:00:00 UTC on, up to the last byte received");
    // Two backups, and WAL between them is gone: their times promise nothing.
    expect(told([{ Label: "backups", Value: 2 }], "no backup reaches up to now without a gap in the WAL")).toBe("no backup reaches up to now without a gap in the WAL");
    expect(windowIn({}, now)).toEqual({ from: undefined, message: "nothing is known of it" });
  });
  it("takes a backup for proven only if its last drill proved it", () => {
    const listed = (more: object) => isProven(backupIn({ Backup: "20261130142211", ...more }));
    expect([listed({}), listed({ ProvenAt: "2026-11-30T14:30:00.000Z" }), listed({ ProvenAt: "2026-11-30T14:30:00.000Z", DrillFailure: "pg_amcheck found damage" })]).toEqual([false, true, false]);
  });
  it("relies on no backup that is not valid, and on none that a verification found bad since", () => {
    const backup = (label: string, more: object) => ({ Backup: label, Valid: 1, Verification: null, ...more });
    const answer = { Backups: [
      backup("20261130142211", {}),
      backup("20261130142212", { Verification: "good", VerifiedAt: "2026-11-30T15:00:00.000Z" }),
      backup("20261130142213", { Verification: "remarks" }),
      backup("20261130142214", { Verification: "bad", VerifiedAt: "2026-11-30T15:00:00.000Z", ProvenAt: "2026-11-30T14:30:00.000Z" }),
      backup("20261130142215", { Valid: 0 }),
    ] };
    expect(usableIn(answer as never).map(({ label }) => label)).toEqual(["20261130142211", "20261130142212", "20261130142213"]);
    expect(usableIn({ Backups: answer.Backups.slice(3) })).toEqual([]);
    expect(usableIn({})).toEqual([]);
  });
  it("says which pgmoneta_cli.conf its commands do not read, and why", () => {
    const avoided = "/etc/pgmoneta/pgmoneta_cli.conf leads to the daemon in /run/other";
    const lines = linesOf(report({ client: { words: ["-c", "/dev/null"], avoided } }));
    expect(lines.join(" ")).toContain(avoided);
    expect(lines.filter((line) => line.startsWith("    moneta-cli ")).filter((line) => !line.includes(" -c /dev/null "))).toEqual([]);
    expect(linesOf(report()).join("\n")).not.toContain("/dev/null");
  });
  it("fits 80 columns, but for lines that are copied", () => {
    const complaints = complaintsIn({ Checks: [{ Code: "DRILL", Status: "warning", Message: "m ".repeat(60), Fix: "Do it.", Statement: "SELECT 1;" }, { Code: "MODE", Status: "ok", Message: "" }, { Code: "CLOCK", Status: "skipped", Message: "" }] });
    expect(complaints.map(({ code }) => code)).toEqual(["DRILL"]);
    const lines = linesOf(report({ complaints }));
    expect(lines.filter((line) => line.length > 80 && !line.startsWith("    "))).toEqual([]);
    expect(lines.join("\n")).toContain("WARNING DRILL: m m");
    expect(lines).toContain("    SELECT 1;");
  });
  it("says how long backups stay", () => {
    expect([retentionText("7"), retentionText("7, 4"), retentionText("window:14d")]).toEqual(["7 days", "7, 4", "window:14d"]);
  });
  it("reads what runs by itself", () => {
    const answer = { Servers: [{ Server: "other", Schedules: [] }, { Server: "primary", Schedules: [{ Kind: "backup", Schedule: "15 2 * * *", Next: [{ Time: "2026-12-01T02:15:00.000Z" }] }, { Kind: "retention", Schedule: "every 5 min", Next: [] }] }] };
    expect(plannedIn(answer, "primary")).toEqual([{ kind: "backup", schedule: "15 2 * * *", next: Date.UTC(2026, 11, 1, 2, 15) }]);
  });
  it("shows no control character and no secret of what a server says", () => {
    registerSecret("swordfish-7");
    const lines: string[] = [];
    createSpeech((line) => lines.push(line)).mark("note", "\u001b[2Jpassword swordfish-7");
    expect(lines).toEqual(["  note  \\u001b[2Jpassword ***"]);
  });
});

describe("the commands of moneta-cli", () => {
  const options = (text: string | undefined, directoryOption: readonly string[] = ["-D", root]) => {
    if (text !== undefined) writeFileSync(join(root, "pgmoneta_cli.conf"), text);
    return printedOptions({ directoryOption }, { directory: root }, "/run/moneta", {});
  };
  it("that are printed leave out a pgmoneta_cli.conf which leads to another daemon, or which cannot be used", () => {
    const file = join(root, "pgmoneta_cli.conf");
    const own = { words: ["-D", root], avoided: undefined };
    expect(options(undefined)).toEqual(own);
    expect(options("[pgmoneta]\nunix_socket_dir = /run/moneta/\noutput = json\n")).toEqual(own);
    // Only both together are an address.
    expect(options("[pgmoneta]\nhost = db9\n")).toEqual(own);
    const words = ["-D", root, "-c", "/dev/null"];
    expect(options("[pgmoneta]\nunix_socket_dir = /run/other\n")).toEqual({ words, avoided: `${file} leads to the daemon in /run/other` });
    expect(options("[pgmoneta]\nhost = db9\nport = 5001\n")).toEqual({ words, avoided: `${file} leads to the daemon at db9:5001` });
    expect(options("[pgmoneta]\nnonsense = 1\n")).toEqual({ words, avoided: expect.stringMatching(/^pgmoneta_cli.conf cannot be used: .*nonsense/) as string });
  });
  it("that are run here read none at all, and need no master key to ask", () => {
    expect(ownDaemon({ directory: root })).toEqual(["-c", "/dev/null", "-C", "none", "-E", "none", "-D", root]);
  });
});

describe("Ctrl-C", () => {
  it("fires once, then ends the process; while another program has the terminal it is that one's", async () => {
    const source = new EventEmitter();
    const { leaveTo, release, signal } = createInterruptions(source);
    await leaveTo(async () => void source.emit("SIGINT", "SIGINT"));
    expect(signal.aborted).toBe(false);
    source.emit("SIGINT", "SIGINT");
    expect([signal.aborted, signal.reason, source.listenerCount("SIGINT")]).toEqual([true, "SIGINT", 0]);
    release();
  });
});

describe("what is on this machine", () => {
  it("has the socket and the log where the unit of systemd has them, if it is installed and reads this configuration", async () => {
    const units = join(root, "units");
    mkdirSync(units);
    writeFileSync(join(units, "moneta.service"), "");
    const surroundings = { environment: {}, homeDirectory: root, unitDirectories: [join(root, "none"), units] } as unknown as InitSurroundings;
    const base: InitRequest = { administrator: true, yes: true, resetPassword: false, start: true, backup: true, background: false };
    const service = { unit: "moneta.service", socketDirectory: "/run/moneta", logFile: "/var/log/moneta/moneta.log" };
    if (!existsSync("/etc/pgmoneta/pgmoneta.conf")) {
      const here = await lookHere(base, surroundings);
      expect(here).toMatchObject({ ...service, main: "/etc/pgmoneta/pgmoneta.conf", directoryOption: [] });
      expect(placesOf(here, wanted()).map(({ path }) => path)).toEqual(["/etc/pgmoneta", "/srv/moneta"]);
    }
    const own = { unit: undefined, socketDirectory: `${root}/run`, logFile: `${root}/moneta.log` };
    const elsewhere = await lookHere({ ...base, directory: root }, surroundings);
    expect(elsewhere).toMatchObject({ ...own, directoryOption: ["-D", root], document: undefined });
    expect(placesOf(elsewhere, wanted()).map(({ path }) => path)).toEqual([root, "/srv/moneta", "/run/moneta", "/var/log"]);
    expect(await lookHere({ ...base, background: true }, { ...surroundings, unitDirectories: [] })).toMatchObject(own);
  });
  it("is refused where the configuration that is there cannot be used", async () => {
    writeFileSync(join(root, "pgmoneta.conf"), "[pgmoneta]\nnonsense = 1\n");
    const surroundings = { environment: {}, homeDirectory: root, unitDirectories: [] } as unknown as InitSurroundings;
    const request: InitRequest = { administrator: true, yes: true, resetPassword: false, start: true, backup: true, background: false, directory: root };
    await expect(lookHere(request, surroundings)).rejects.toMatchObject({ code: "CONFIGURATION_INVALID" });
  });
});
