/** `moneta-admin init` of the built program: from nothing to a proven backup, again, and everything that stands in its way (K01). */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openUsersFile, decryptUsers, readMasterKey } from "../../src/vault/index.ts";
import { createAuthority, type Authority } from "../support/certificates.ts";
import { freePort } from "../support/free-port.ts";
import { lookAt } from "../support/management-look.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { run, startProcess, type Finished, type RunningProcess } from "../support/processes.ts";
import { requires, tool } from "../support/requires.ts";
import { registerResource } from "../support/resources.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";

const program = (name: string): string => resolve(import.meta.dirname, "../../bin", name);
const bossPassword = "the boss of db1";

let cluster: Cluster;
/** The account of the daemon that comes to life here. */
let home: string;

const newHome = (): string => temporaryDirectory({ prefix: "mi", unprivileged: true }).path;
const environment = (of: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: `${resolve(import.meta.dirname, "../../bin")}:${cluster.binDir}:${process.env["PATH"] ?? ""}`,
  HOME: of,
  TMPDIR: of,
  LC_ALL: "C.UTF-8",
  ...more,
});

interface Occasion {
  readonly home?: string;
  readonly password?: string;
  readonly user?: string;
}

const wordsOf = ({ home: at = home, user = "boss" }: Occasion, words: readonly string[]): string[] => [
  "-D", join(at, "etc"), "-U", user, "init", "--host", "127.0.0.1", "--port", String(cluster.port), ...words,
];

function init(words: readonly string[], occasion: Occasion = {}): Promise<Finished> {
  const env = environment(occasion.home ?? home, { PGMONETA_PASSWORD: occasion.password ?? bossPassword });
  return run(program("moneta-admin"), wordsOf(occasion, [...words, "--yes"]), { env, unprivileged: true });
}

const cli = (...words: string[]): Promise<Finished> =>
  run(program("moneta-cli"), ["-D", join(home, "etc"), ...words], { env: environment(home), unprivileged: true });
const shell = (command: string): Promise<Finished> => run("/bin/sh", ["-c", command], { env: environment(home), unprivileged: true });
const socketOf = (): string => join(home, "run/.s.pgmoneta");
const files = ["etc/pgmoneta.conf", "etc/pgmoneta_users.conf", ".pgmoneta/master.key"];
const contents = (): string[] => files.map((name) => readFileSync(join(home, name), "utf8"));
const said = ({ status, stdout, stderr }: Finished): string => `${stdout}${stderr}status ${status ?? "none"}`;

/** What the vault has, read as our own account: it does not open files of another one. */
async function storedPassword(): Promise<string> {
  const own = temporaryDirectory().path;
  for (const name of ["master.key", "pgmoneta_users.conf"]) {
    const path = join(home, name === "master.key" ? ".pgmoneta" : "etc", name);
    writeFileSync(join(own, name), readFileSync(path), { mode: 0o600 });
  }
  return decryptUsers(await openUsersFile(join(own, "pgmoneta_users.conf")), await readMasterKey(join(own, "master.key"))).get("repl") ?? "";
}

beforeAll(async () => {
  const ask = ["repl", "boss", "known", "changed", "dba"].flatMap((role) => [`host all ${role} 127.0.0.1/32 scram-sha-256`, `host replication ${role} 127.0.0.1/32 scram-sha-256`]);
  cluster = await createCluster({
    hba: [...ask, "host replication locked 127.0.0.1/32 reject"],
    // What is sent as a statement shows in the log of the server.
    settings: { log_statement: "all" },
  });
  await cluster.sql(`CREATE ROLE boss SUPERUSER LOGIN PASSWORD '${bossPassword}'`);
  await cluster.sql("CREATE ROLE known LOGIN PASSWORD 'known to others'");
  await cluster.sql("CREATE TABLE shop (item int PRIMARY KEY)");
  await cluster.sql("INSERT INTO shop SELECT generate_series(1, 1000)");
  home = newHome();
  registerResource({ name: "the daemon of moneta-admin init", release: async () => void (existsSync(socketOf()) && (await cli("shutdown"))), abandon: () => undefined });
});
afterAll(() => cluster.destroy());

describe("what stands in the way", () => {
  it("is a wrong password", async () => {
    const done = await init([], { password: "not that one" });
    expect(said(done)).toMatch(/password authentication failed for user "boss"[^]*Hint: [^]*status 1$/);
    expect(done.stdout).toContain("It ended before anything was changed.");
  });

  it("is a repository that may not be written, with the command that puts it right", async () => {
    const done = await init(["--repository", "/proc/moneta"]);
    expect(said(done)).toMatch(/the repository, \/proc\/moneta, .*as root: install -d -o \S+ -m 0700 '\/proc\/moneta'[^]*status 111$/);
  });

  it("is a server that is not set up for it: all of it is told at once, with the statements", async () => {
    await cluster.configure({ wal_level: "minimal", max_wal_senders: 0, max_replication_slots: 0 });
    await cluster.restart();
    const done = await init([]);
    await cluster.configure({ wal_level: "replica", max_wal_senders: 10, max_replication_slots: 10 });
    await cluster.restart();
    expect(done.status).toBe(112);
    for (const text of ["wal_level is minimal", "max_wal_senders is 0", "no replication slot is free"]) expect(done.stdout).toContain(`  STOP  ${text}`);
    for (const text of ["ALTER SYSTEM SET wal_level = 'replica';", "ALTER SYSTEM SET max_wal_senders = 10;", "then restart PostgreSQL"]) expect(done.stdout).toContain(`    ${text.startsWith("then") ? "-- " : ""}${text}`);
    expect(done.stderr).toContain("is not ready for Moneta");
  });

  it("is an option that makes no sense", async () => {
    expect(said(await init(["--schedule", "every night"]))).toMatch(/--schedule every night: expected[^]*status 2$/);
  });

  it("has left nothing behind, here or on the server", async () => {
    expect(readdirSync(home)).toEqual([]);
    expect(await cluster.value("SELECT count(*) FROM pg_roles WHERE rolname = 'repl'")).toBe("0");
  });
});

describe("from nothing", () => {
  let first: Finished;
  const proof = (): string => /proven: PostgreSQL runs on what (\d{14}) restores/.exec(first.stdout)?.[1] ?? "";

  it("it comes to a backup that PostgreSQL has run on", async () => {
    first = await init([]);
    expect(said(first)).toMatch(/status 0$/);
    expect(first.stderr).toBe("");
    expect(proof()).not.toBe("");
    expect(first.stdout).toContain("primary is backed up, and the backup is proven");
    expect(first.stdout.split("\n").filter((line) => line.length > 80 && !line.startsWith("    "))).toEqual([]);
    expect(await cluster.value("SELECT rolreplication AND rolcanlogin AND pg_has_role('repl', 'pg_read_all_settings', 'MEMBER') FROM pg_roles WHERE rolname = 'repl'")).toBe("t");
  });

  it("the password is in the vault and nowhere else", async () => {
    const password = await storedPassword();
    expect(password).toHaveLength(48);
    for (const text of [first.stdout, first.stderr, cluster.log(), ...contents(), readFileSync(join(home, "moneta.log"), "utf8")]) expect(text).not.toContain(password);
    expect(cluster.log()).toContain("PASSWORD 'SCRAM-SHA-256$4096:");
    for (const text of [first.stdout, ...contents(), readFileSync(join(home, "moneta.log"), "utf8")]) expect(text).not.toContain(bossPassword);
    const client = new pg.Client({ host: "127.0.0.1", port: cluster.port, user: "repl", password, database: "postgres" });
    await client.connect();
    await client.end();
  });

  it("moneta-cli finds the daemon, which streams and has a proven backup", async () => {
    const status = await cli("-F", "raw", "status");
    expect(status.status).toBe(0);
    const { Response } = JSON.parse(status.stdout) as { Response: { Servers: readonly Record<string, unknown>[] } };
    expect(Response.Servers).toMatchObject([{ Server: "primary", StreamState: "streaming", NumberOfBackups: 1, ProvenBackup: proof(), Online: true }]);
  });

  it("the commands that it printed restore, and start what came out", async () => {
    const [restore = "", toMoment = ""] = /^ {4}(moneta-cli .* restore primary newest .*)\n {4}(moneta-cli .*)$/m.exec(first.stdout)?.slice(1) ?? [];
    expect(toMoment).toContain("'time=");
    expect(said(await shell(restore))).toMatch(/status 0$/);
    const port = await freePort();
    const start = /^ {4}(\S*pg_ctl -D (\S+) .*start)$/m.exec(first.stdout) ?? [];
    const directory = start[2] ?? "";
    const command = (start[1] ?? "").replace("-p 5433 -k /tmp", `-p ${port} -k ${home} -c listen_addresses=`).replace("-w start", `-l ${home}/restored.log -w start`);
    const stop = (): Promise<Finished> => shell(`${cluster.binDir}/pg_ctl -D ${directory} -m immediate -w stop`);
    const forget = registerResource({ name: "the restored server", release: async () => void (await stop()), abandon: () => undefined });
    expect(said(await shell(command))).toMatch(/status 0$/);
    const client = new pg.Client({ host: home, port, user: "postgres", database: "postgres" });
    client.on("error", () => undefined);
    await client.connect();
    expect((await client.query<{ n: string }>("SELECT count(*) AS n FROM shop")).rows).toEqual([{ n: "1000" }]);
    await client.end();
    expect((await stop()).status).toBe(0);
    forget();
  });

  it("a second run changes nothing, and says what is there", async () => {
    const before = contents();
    const again = await init([]);
    expect(said(again)).toMatch(/status 0$/);
    expect(contents()).toEqual(before);
    for (const text of ["it exists, with all rights that it needs", "has the section [primary]", "the daemon runs", `the backup ${proof()} is there`]) expect(again.stdout).toContain(text);
    expect(again.stdout).not.toContain("  done  ");
    expect(await lookAt(socketOf(), "status")).toMatchObject({ Servers: [{ NumberOfBackups: 1 }] });
  });

  it("never writes over a section that says something else", async () => {
    const before = contents();
    const other = await init(["--replication-role", "other"]);
    expect(said(other)).toMatch(/has a section \[primary\] that says something else: user is repl, not other[^]*status 110$/);
    expect(contents()).toEqual(before);
  });

  it("refuses a configuration whose socket another daemon has: what that one says is not about this one", async () => {
    const before = contents();
    const other = join(home, "other");
    const env = environment(home, { PGMONETA_PASSWORD: bossPassword });
    const done = await run(program("moneta-admin"), ["-D", other, "-U", "boss", "init", "--host", "127.0.0.1", "--port", String(cluster.port), "--yes"], { env, unprivileged: true });
    expect(said(done)).toMatch(/the daemon that answers in \S+\/run has the configuration \S+\/etc\/pgmoneta\.conf, not \S+\/other\/pgmoneta\.conf[^]*status 118$/);
    expect(done.stdout).toContain("It ended before anything was changed.");
    expect(existsSync(other)).toBe(false);
    expect(contents()).toEqual(before);
  });

  it("adds a second server to the daemon that runs, with its comments kept; a signal in the backup ends it with what there is", async () => {
    const file = join(home, "etc/pgmoneta.conf");
    writeFileSync(file, `${readFileSync(file, "utf8")}\n# a remark of mine`);
    const before = readFileSync(file, "utf8");
    const env = environment(home, { PGMONETA_PASSWORD: bossPassword });
    const running = await startProcess(program("moneta-admin"), wordsOf({}, ["--server-name", "second", "--slot", "second", "--yes"]), { env, unprivileged: true });
    await waitFor("the backup begins", () => running.stdout().includes("Taking the first backup"), { seen: () => said({ status: null, signal: null, stdout: running.stdout(), stderr: running.stderr() }) });
    running.kill("SIGINT");
    const cut = await running.finished;
    expect(said(cut)).toMatch(/By now there is:\n {2}done {2}the section \[second\] in[^]*moneta-admin: interrupted[^]*status 130$/);
    expect(readFileSync(file, "utf8").startsWith(before)).toBe(true);
    expect(await lookAt(socketOf(), "status")).toMatchObject({ Servers: [{ Server: "primary" }, { Server: "second", StreamState: "streaming" }] });
  });

  it("goes on from there, and tells the result as a document", async () => {
    const file = join(home, "etc/pgmoneta.conf");
    const before = readFileSync(file, "utf8");
    const env = environment(home, { PGMONETA_PASSWORD: bossPassword });
    const done = await run(program("moneta-admin"), ["-F", "json", ...wordsOf({}, ["--server-name", "second", "--slot", "second", "--no-backup", "--yes"])], { env, unprivileged: true });
    expect(said(done)).toMatch(/status 0$/);
    const document = JSON.parse(done.stdout) as { Outcome: { Status: boolean }; Response: Record<string, unknown> };
    expect(document).toMatchObject({ Outcome: { Status: true }, Response: { Server: "second", Backup: null, Proof: null, Configuration: file } });
    expect(document.Response["Made"]).toEqual([]);
    expect(readFileSync(file, "utf8")).toBe(before);
  });
});

requires("postgres-17").describe("a server of another major, set up by a role that is no superuser, over TLS", () => {
  let server: Cluster;
  let at: string;
  let authority: Authority;
  const makers = "makes roles";
  // The embedded servers of the tests lie in no usual place.
  const env = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({ ...environment(at, { PGMONETA_PASSWORD: makers, ...more }), PATH: `${resolve(import.meta.dirname, "../../bin")}:${process.env["PATH"] ?? ""}` });
  const setUp = (host: string, ...words: string[]): Promise<Finished> =>
    run(program("moneta-admin"), ["-D", join(at, "etc"), "-U", "maker", "init", "--host", host, "--port", String(server.port), ...words, "--yes"], { env: env(), unprivileged: true });

  beforeAll(async () => {
    at = newHome();
    authority = createAuthority();
    const files = temporaryDirectory({ prefix: "mitls", unprivileged: true }).path;
    const { certFile, keyFile } = authority.issue({ commonName: "db17", alternativeNames: ["IP:127.0.0.1"] });
    for (const [name, source] of [["server.crt", certFile], ["server.key", keyFile]] as const) writeFileSync(join(files, name), readFileSync(source), { mode: 0o600 });
    giveToUnprivileged(files);
    server = await createCluster({
      major: 17,
      settings: { ssl: true, ssl_cert_file: join(files, "server.crt"), ssl_key_file: join(files, "server.key") },
      hba: [
        ...["all", "replication"].map((database) => `hostssl ${database} maker,repl 127.0.0.1/32 scram-sha-256`),
        ...["all", "replication"].map((database) => `hostnossl ${database} maker,repl 127.0.0.1/32 reject`),
      ],
    });
    await server.sql(`CREATE ROLE maker LOGIN CREATEROLE PASSWORD '${makers}'`);
    // A pgmoneta_cli.conf that leads to the daemon above, which has a server of the same name and a backup of it.
    mkdirSync(join(at, "etc"));
    writeFileSync(join(at, "etc/pgmoneta_cli.conf"), `[pgmoneta]\nunix_socket_dir = ${join(home, "run")}\n`);
    giveToUnprivileged(join(at, "etc"));
    registerResource({ name: "the daemon of a server of 17", release: async () => void (await run(program("moneta-cli"), ["-c", "/dev/null", "-D", join(at, "etc"), "shutdown"], { env: env(), unprivileged: true })), abandon: () => undefined });
  });
  afterAll(() => server.destroy());

  it("a role that may make roles and may not replicate cannot make one that does; the server says why", async () => {
    const done = await setUp(server.socketDir, "--no-start");
    expect(said(done)).toMatch(/the statements for the role were refused: .*Only roles with the REPLICATION attribute[^]*from PostgreSQL 16 on also by a role with CREATEROLE and REPLICATION[^]*status 114$/);
    expect(done.stdout).toContain("  ok    the connection is a socket of this machine");
    expect(await server.value("SELECT count(*) FROM pg_roles WHERE rolname = 'repl'")).toBe("0");
    await server.sql("ALTER ROLE maker REPLICATION");
  });

  it("nothing is said to a server whose certificate another authority has signed, or that has another name", async () => {
    const stranger = await setUp("127.0.0.1", "--no-start", "--tls-ca", createAuthority().certFile);
    expect(said(stranger)).toMatch(/certificate[^]*status [1-9]\d*$/);
    const other = await setUp("localhost", "--no-start", "--tls-ca", authority.certFile);
    expect(said(other)).toMatch(/localhost[^]*status [1-9]\d*$/);
    for (const { stdout } of [stranger, other]) expect(stdout).not.toMatch(/runs:|CREATE ROLE/);
    expect(existsSync(join(at, "etc/pgmoneta.conf"))).toBe(false);
  });

  it("with its own authority it comes to a backup; without PostgreSQL's programs every byte is read back, and it says that this is less", async () => {
    const done = await setUp("127.0.0.1", "--tls-ca", authority.certFile);
    expect(said(done)).toMatch(/status 0$/);
    expect(done.stdout).toContain("summarize_wal is off, which full backups do not need");
    expect(done.stdout).toContain("  ok    the connection is encrypted");
    expect(done.stdout).toMatch(/Moneta\s+works\s+without\s+it,\s+and\s+checks\s+say\s+what\s+it\s+cannot\s+see:\s+GRANT pg_read_all_settings TO "repl";/);
    expect(readFileSync(join(at, "etc/pgmoneta.conf"), "utf8")).toMatch(/^tls_ca_file = \S+$\n^tls_mode = verify-full$/m);
    expect(await server.value("SELECT bool_and(ssl) AND count(*) > 0 FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)")).toBe("t");
    const proven = existsSync("/usr/lib/postgresql/17/bin/postgres");
    expect(done.stdout).toContain(proven ? "and the backup is proven" : "primary is backed up, and the backup is verified");
    if (!proven) {
      expect(done.stdout).toMatch(/there is no PostgreSQL 17 on this machine[^]*Reading every stored byte of it back instead[^]*verified: every stored byte of \d{14} is right/);
      expect(done.stdout).toMatch(/No server was started on\s+it: that is a drill/);
      expect(done.stdout).not.toMatch(/proven: PostgreSQL runs/);
      expect(readFileSync(join(at, "etc/pgmoneta.conf"), "utf8")).not.toMatch(/^drill =/m);
    }
  });

  it("asked its own daemon for all of that, and so do the commands that it printed, whatever pgmoneta_cli.conf names", async () => {
    expect(await lookAt(socketOf(), "status")).toMatchObject({ Servers: [{ Server: "primary", NumberOfBackups: 1 }, { Server: "second" }] });
    expect(await lookAt(join(at, "run/.s.pgmoneta"), "status")).toMatchObject({ Servers: [{ Server: "primary", NumberOfBackups: 1 }] });
    const again = await setUp("127.0.0.1", "--tls-ca", authority.certFile);
    expect(said(again)).toMatch(/status 0$/);
    // What was refused before is refused again: nothing was done.
    expect(again.stdout).not.toContain("  done  ");
    expect(again.stdout.replaceAll(/\s+/g, " ")).toContain(`etc/pgmoneta_cli.conf leads to the daemon in ${join(home, "run")}: the commands below do not read it`);
    const [command = ""] = /moneta-cli .* conf set --save retention 14$/m.exec(again.stdout) ?? [];
    const done = await run("/bin/sh", ["-c", command], { env: env(), unprivileged: true });
    expect(said(done)).toMatch(/status 0$/);
    expect(readFileSync(join(at, "etc/pgmoneta.conf"), "utf8")).toMatch(/^retention = 14$/m);
    expect(readFileSync(join(home, "etc/pgmoneta.conf"), "utf8")).toMatch(/^retention = 7$/m);
  });
});

describe("a role that others made", () => {
  it("keeps its password, which has to be told and is tried before it is stored", async () => {
    const at = newHome();
    const words = ["--replication-role", "known", "--slot", "known", "--no-start"];
    expect(said(await init(words, { home: at }))).toMatch(/the role known exists on the server, and its password is not known here[^]*--role-password-file[^]*status 114$/);
    const file = join(at, "password");
    writeFileSync(file, "a guess\n");
    giveToUnprivileged(file);
    expect(said(await init([...words, "--role-password-file", file], { home: at }))).toMatch(/the password of the role known is wrong[^]*status 114$/);
    expect(existsSync(join(at, "etc/pgmoneta_users.conf"))).toBe(false);
    writeFileSync(file, "known to others\n");
    const done = await init([...words, "--role-password-file", file], { home: at });
    expect(said(done)).toMatch(/status 0$/);
    expect(done.stdout).toContain("Not started, as you asked.");
    expect(await cluster.value("SELECT rolreplication FROM pg_roles WHERE rolname = 'known'")).toBe("t");
    expect(existsSync(join(at, "run/.s.pgmoneta"))).toBe(false);
  });

  it("whose password was changed behind our back is told, and gets a new one only when that is asked for", async () => {
    const at = newHome();
    const words = ["--replication-role", "changed", "--slot", "changed", "--no-start"];
    expect((await init(words, { home: at })).status).toBe(0);
    const before = readFileSync(join(at, "etc/pgmoneta_users.conf"), "utf8");
    await cluster.sql("ALTER ROLE changed PASSWORD 'another one'");
    const told = await init(words, { home: at });
    expect(said(told)).toMatch(/the password of changed that is stored here is not the one that the server has[^]*--reset-password[^]*status 114$/);
    expect(readFileSync(join(at, "etc/pgmoneta_users.conf"), "utf8")).toBe(before);
    expect(said(await init([...words, "--reset-password"], { home: at }))).toMatch(/ALTER ROLE "changed" WITH PASSWORD '…';[^]*status 0$/);
    // Nobody can open what a key that is gone has sealed.
    renameSync(join(at, ".pgmoneta/master.key"), join(at, "away"));
    expect(said(await init(words, { home: at }))).toMatch(/has passwords \(changed\), but the master key \S+ that opens them is not there[^]*status 110$/);
    expect(existsSync(join(at, ".pgmoneta/master.key"))).toBe(false);
  });

  it("cannot be made by everybody: what the server said is told, and a superuser goes on from there", async () => {
    const at = newHome();
    await cluster.sql("CREATE ROLE maker LOGIN CREATEROLE");
    await cluster.sql("CREATE ROLE rds_superuser");
    const words = ["--replication-role", "late", "--slot", "late", "--no-start"];
    const refused = await init(words, { home: at, user: "maker" });
    expect(said(refused)).toMatch(/the statements for the role were refused: .*superuser.*this is a managed server \(rds_superuser\)[^]*status 114$/);
    expect(refused.stdout).toMatch(/By now there is:\n[^]*the master key [^]*the password of late in/);
    await cluster.sql("DROP ROLE rds_superuser");
    expect(await cluster.value("SELECT count(*) FROM pg_roles WHERE rolname = 'late'")).toBe("0");
    expect(said(await init(words, { home: at }))).toMatch(/status 0$/);
  });

  it("that pg_hba.conf does not let in is told with the lines for it, and what exists by then", async () => {
    const at = newHome();
    const done = await init(["--replication-role", "locked", "--slot", "locked", "--no-start"], { home: at });
    expect(done.status).toBe(112);
    expect(done.stdout).toMatch(/STOP {2}no line of pg_hba.conf lets role "locked" replicate from here\n {2}Add these lines to\s+\S+pg_hba\.conf/);
    expect(done.stdout).toContain("    host     replication  locked  127.0.0.1/32  scram-sha-256\n");
    expect(done.stdout).toMatch(/By now there is:\n[^]*the role locked on the server/);
    expect(existsSync(join(at, "etc/pgmoneta.conf"))).toBe(false);
    // Let in, it goes on from there.
    const hba = join(cluster.dataDir, "pg_hba.conf");
    writeFileSync(hba, readFileSync(hba, "utf8").replace(/^.*locked.*reject\n/m, ""));
    await cluster.reload();
    const again = await init(["--replication-role", "locked", "--slot", "locked", "--no-start"], { home: at });
    expect(said(again)).toMatch(/status 0$/);
    expect(existsSync(join(at, "etc/pgmoneta.conf"))).toBe(true);
  });

  it("can be made by somebody else, who gets the statements and no password", async () => {
    const at = newHome();
    const words = ["--replication-role", "dba", "--slot", "dba", "--no-start"];
    const first = await init(words, { home: at, user: "-" });
    expect(first.status).toBe(112);
    const statements = [...first.stdout.matchAll(/^ {4}((?:CREATE ROLE|GRANT) .*;)$/gm)].map((match) => match[1] ?? "");
    expect(statements).toHaveLength(2);
    const early = await init(words, { home: at, user: "-" });
    expect(early.status).toBe(112);
    expect(early.stdout).toContain("If a superuser has not run these yet");
    for (const statement of statements) await cluster.sql(statement);
    expect(said(await init(words, { home: at, user: "-" }))).toMatch(/status 0$/);
  });
});

requires("script").describe("at a terminal", () => {
  const start = (at: string): Promise<RunningProcess> => {
    const line = ["exec", program("moneta-admin"), "-D", join(at, "etc"), "init", "--no-start", "--slot", "typed"].join(" ");
    return startProcess(tool("script"), ["-q", "-e", "-c", line, "/dev/null"], { env: { ...environment(at), TERM: "xterm" }, unprivileged: true, keepInputOpen: true });
  };
  const answer = async (terminal: RunningProcess, question: string, text: string, time = 1): Promise<void> => {
    await waitFor(`it asks: ${question}`, () => terminal.stdout().split(question).length > time, { seen: () => terminal.stdout() });
    terminal.write(text);
  };

  it("asks, shows what it is going to run, and hides the password", async () => {
    const at = newHome();
    const terminal = await start(at);
    await answer(terminal, "Name of this server in every command [primary]: ", "no name\n");
    await answer(terminal, "Name of this server in every command [primary]: ", "shop\n", 2);
    await answer(terminal, "Address of PostgreSQL", "127.0.0.1\n");
    await answer(terminal, "Its port [5432]: ", `${cluster.port}\n`);
    await answer(terminal, "Role for Moneta, made if it is missing [repl]: ", "typed\n");
    await answer(terminal, "Superuser, or a role that may create roles", "boss\n");
    await answer(terminal, "Repository: where backups and WAL go", "\n");
    await answer(terminal, "When backups are taken", "\n");
    await answer(terminal, "How many days backups are kept [7]: ", "14\n");
    await answer(terminal, "Password of boss", "wrong\n");
    await answer(terminal, "Password of boss", `${bossPassword}\n`, 2);
    await answer(terminal, "Make directories, master key", "y\n");
    await answer(terminal, "Run them now?", "y\n");
    const { status } = await terminal.finished;
    const text = terminal.stdout();
    expect([status, text]).toEqual([0, expect.stringContaining("Not started, as you asked.")]);
    expect(text).toContain(`CREATE ROLE "typed" WITH LOGIN REPLICATION PASSWORD '…';`);
    for (const secret of [bossPassword, "wrong\r\n"]) expect(text).not.toContain(secret);
    expect(readFileSync(join(at, "etc/pgmoneta.conf"), "utf8")).toMatch(/^retention = 14$[^]*^\[shop\]$/m);
  });

  it("ends at Ctrl-C with nothing half-written, and says what exists", async () => {
    const at = newHome();
    mkdirSync(join(at, "etc"));
    giveToUnprivileged(join(at, "etc"));
    const early = await start(at);
    await answer(early, "Name of this server in every command [primary]: ", "\u0003");
    expect((await early.finished).status).toBe(130);
    expect(early.stdout()).toContain("It ended before anything was changed.");
    expect([readdirSync(at), readdirSync(join(at, "etc"))]).toEqual([["etc"], []]);

    const late = await start(at);
    for (const question of ["in every command", "Address of PostgreSQL"]) await answer(late, question, question.startsWith("Addr") ? "127.0.0.1\n" : "\n");
    await answer(late, "Its port [5432]: ", `${cluster.port}\n`);
    await answer(late, "made if it is missing [repl]: ", "never\n");
    await answer(late, "Superuser, or a role", "boss\n");
    for (const question of ["Repository: where", "When backups are", "How many days"]) await answer(late, question, "\n");
    await answer(late, "Password of boss", `${bossPassword}\n`);
    await answer(late, "Make directories, master key", "y\n");
    await answer(late, "Run them now?", "\u0003");
    expect((await late.finished).status).toBe(130);
    expect(late.stdout()).toMatch(/By now there is:\r?\n[^]*the master key /);
    expect(readdirSync(join(at, "etc"))).toEqual([]);
    expect(await cluster.value("SELECT count(*) FROM pg_roles WHERE rolname = 'never'")).toBe("0");
    expect(readFileSync(join(at, ".pgmoneta/master.key"), "utf8")).toMatch(/^\S+\n\S+\n$/);
  });
});
