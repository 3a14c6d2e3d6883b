/**
 * J01: whatever the umask, nobody else can read or change what the programs write, and files with secrets that
 * others can read are refused. J02: neither the password of a server nor the master pass phrase shows up in the list
 * of processes, in core dumps, in support bundles, in logs of the most talkative level, in answers, in messages of failure, or in the repository.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAuthority } from "../support/certificates.ts";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { run, startProcess } from "../support/processes.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled, serverStatus } from "./daemon-observation.ts";

/** Everything that quoting, formatting, redaction and shells stumble over. */
const password = `Zürich "4" 'x' \\ #1; =%s $(id) \u{1F511}`;
/** What the harness makes the master key of. */
const passphrase = "a master key for tests";
/** Files that the test itself wrote. */
const ours = ["etc/pgmoneta.conf", "etc/pgmoneta_cli.conf"];

/** Secrets of the configuration: of an address, of a file, of the environment. */
const hookWord = "T0815-wEbHoOk-4711";
const fileSecret = "S3cretOfAFile-4712";
const environmentSecret = "S3cretOfTheEnvironment-4713";
/** Of a login of remote management. */
const adminPassword = "pass word of the admin 4714";
let privateKey: string;

let cluster: Cluster;
let daemon: Daemon;
let umask: number;
/** All that the commands of this file printed. */
const said: string[] = [];

beforeAll(async () => {
  cluster = await createCluster({
    settings: { password_encryption: "scram-sha-256" },
    hba: ["local all postgres trust", "local replication all scram-sha-256", "local all all scram-sha-256"],
  });
  umask = process.umask(0);
  const { certFile, keyFile } = createAuthority().issue({ commonName: "localhost", alternativeNames: ["DNS:localhost"] });
  const place = temporaryDirectory({ prefix: "msec" }).path;
  const [slackFile, ownKey, ownCertificate] = ["slack", "key", "crt"].map((name) => join(place, name)) as [string, string, string];
  writeFileSync(slackFile, `http://127.0.0.1:9/${fileSecret}\n`, { mode: 0o600 });
  copyFileSync(keyFile, ownKey);
  copyFileSync(certFile, ownCertificate);
  giveToUnprivileged(place);
  privateKey = readFileSync(keyFile, "utf8");
  daemon = await createDaemon({
    servers: [{ name: "primary", cluster, password, settings: { max_rate: 4_000_000 } }],
    settings: {
      log_level: "trace",
      encryption: "aes",
      compression: "gzip",
      notify_webhook: `http://127.0.0.1:9/services/${hookWord}`,
      notify_webhook_token: "env:MONETA_TEST_TOKEN",
      notify_slack: `file:${slackFile}`,
      metrics: await freePort(),
      metrics_cert_file: ownCertificate,
      metrics_key_file: ownKey,
    },
    env: { MONETA_TEST_TOKEN: environmentSecret },
  });
  await daemon.waitUntilStreaming("primary");
});
afterAll(async () => {
  process.umask(umask);
  await daemon.destroy();
  await cluster.destroy();
});

async function cli(...args: readonly string[]): Promise<number | null> {
  const { status, stdout, stderr } = await daemon.cli(args, { format: "none" });
  said.push(stdout, stderr);
  return status;
}

function everythingBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !ours.includes(relative(daemon.root, path)));
}

/** The spellings in which a secret could come out. */
function spellings(secret: string): Buffer[] {
  const bytes = Buffer.from(secret);
  const texts = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    secret.replaceAll("'", "''"),
    encodeURIComponent(secret),
    bytes.toString("base64"),
    bytes.toString("hex"),
  ];
  return [...new Set(texts)].map((text) => Buffer.from(text));
}

const secrets = [...spellings(password), ...spellings(passphrase)];
const betrays = (where: Buffer): boolean => secrets.some((secret) => where.includes(secret));

function processFile(pid: number, name: string): Buffer {
  try {
    return readFileSync(`/proc/${pid}/${name}`);
  } catch {
    // It ended meanwhile.
    return Buffer.alloc(0);
  }
}

describe("under umask 000", () => {
  it("nobody else can read what daemon, jobs, clients and moneta-admin write", async () => {
    expect(await cli("backup", "primary")).toBe(0);
    expect(await cli("-L", join(daemon.root, "cli.log"), "status")).toBe(0);
    await cluster.sql("SELECT pg_switch_wal()");
    await waitFor("a segment is archived", () =>
      readdirSync(join(daemon.baseDir, "primary", "wal")).some((name) => name.endsWith(".gz.aes")),
    );
    const open: string[] = [];
    let sockets = 0;
    for (const path of everythingBelow(daemon.root)) {
      // The daemon goes on working: a temporary file may have got its name since the walk.
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined || stats.isSymbolicLink()) continue;
      sockets += stats.isSocket() ? 1 : 0;
      const allowed = stats.isSocket() ? 0o660 : stats.isDirectory() ? 0o700 : path.endsWith(".pid") ? 0o640 : 0o600;
      if ((stats.mode & 0o777 & ~allowed) !== 0)
        open.push(`${relative(daemon.root, path)} ${(stats.mode & 0o777).toString(8)}`);
    }
    expect(open).toEqual([]);
    expect(sockets).toBe(1);
    // The look was at something.
    const paths = everythingBelow(daemon.root).map((path) => relative(daemon.root, path));
    expect(paths).toEqual(
      expect.arrayContaining([
        "cli.log",
        "home/.pgmoneta/master.key",
        "etc/pgmoneta_users.conf",
        "backup/.moneta.lock",
      ]),
    );
    expect(paths.filter((path) => path.includes("/keys/")).length).toBeGreaterThan(0);
    expect(paths.filter((path) => /\/data\/.*\.gz\.aes$/.test(path)).length).toBeGreaterThan(500);
  });

  it.each([
    ["the master key", "home/.pgmoneta/master.key", 0o640, 0o600],
    ["the directory of the master key", "home/.pgmoneta", 0o750, 0o700],
    ["the users file", "etc/pgmoneta_users.conf", 0o604, 0o600],
  ])("%s that others can read is refused by every program", async (_what, path, wrong, right) => {
    const full = join(daemon.root, path);
    await daemon.stop();
    chmodSync(full, wrong);
    try {
      const started = await daemon.startExpectingFailure();
      expect(started.status).toBeGreaterThan(0);
      expect(started.stderr).toContain(`"${full}" has mode 0${wrong.toString(8)}, expected 0${right.toString(8)}`);
      const admin = await daemon.admin([
        "-f",
        join(daemon.configDir, "pgmoneta_users.conf"),
        "-U",
        "x",
        "-P",
        "yyyyyyyy",
        "user",
        "add",
      ]);
      expect([admin.status, admin.stderr]).toEqual([expect.any(Number), expect.stringContaining(full)]);
      expect(admin.status).toBeGreaterThan(0);
    } finally {
      chmodSync(full, right);
    }
    await daemon.start();
    await daemon.waitUntilStreaming("primary");
  });
});

describe("passwords and pass phrases", () => {
  it("are in no command line, no environment and no core dump while everything runs", async () => {
    // Also not of those that were given one on it: they take it off as soon as they run.
    const client = await daemon.startCli(["-P", password, "backup", "primary"], { format: "none" });
    const question = await startProcess(join(import.meta.dirname, "../../bin/moneta-admin"), [`--password=${password}`, "conf", "init", "-o", join(daemon.root, "asked.conf")], {
      env: { PATH: process.env["PATH"], HOME: daemon.home },
      unprivileged: true,
      keepInputOpen: true,
    });
    await waitFor("the backup runs", () => childrenTitled(daemon, "backup primary").length > 0);
    await waitFor("moneta-admin asks", () => question.output().includes("Address of metrics"));
    expect([client.pid, question.pid].map((pid) => processFile(pid, "cmdline").toString().replaceAll("\0", ""))).toEqual([
      expect.stringMatching(/^moneta-cli .*-P \*\*\* backup primary$/) as string,
      "moneta-admin --password=*** conf init -o " + join(daemon.root, "asked.conf"),
    ]);
    question.kill("SIGKILL");
    await question.finished;
    const pids = [daemon.pid() ?? 0, client.pid, ...daemon.children()];
    expect(pids.length).toBeGreaterThan(3);
    const shown = pids.filter((pid) => betrays(processFile(pid, "cmdline")) || betrays(processFile(pid, "environ")));
    expect(shown).toEqual([]);
    // Nor would a core dump of any of them hold memory (core(5)); one that has ended by now has no filter.
    const filters = pids.map((pid) => processFile(pid, "coredump_filter").toString()).filter((text) => text !== "");
    expect(new Set(filters)).toEqual(new Set(["00000000\n"]));
    expect(filters.length).toBeGreaterThan(3);
    const { status, stdout, stderr } = await client.finished;
    said.push(stdout, stderr);
    expect(status).toBe(0);
  });

  it("are in no answer, whether a command succeeds or fails", async () => {
    for (const words of [
      "ping",
      "status",
      "status details",
      "list-backup primary",
      "info primary newest",
      "progress primary backup",
    ]) {
      for (const format of ["text", "json", "raw"] as const) {
        const { status, stdout, stderr } = await daemon.cli(words.split(" "), { format });
        expect([words, status]).toEqual([words, 0]);
        said.push(stdout, stderr);
      }
    }
    // The server refuses the password, and says so in words of its own.
    await cluster.sql("ALTER ROLE moneta PASSWORD 'another'");
    await cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
    await waitFor("the refusal is seen", async () =>
      JSON.stringify((await serverStatus(daemon, "primary"))["Problems"]).includes("password authentication failed"),
    );
    said.push(JSON.stringify(await ask(daemon, "status", "details")));
    expect(await cli("status", "details")).toBe(0);
    expect(await cli("backup", "primary")).not.toBe(0);
    expect(await cli("info", "primary", "20200101000000")).not.toBe(0);
    expect(await cli("-P", password, "ping")).not.toBeNull();
    expect(said.filter((text) => betrays(Buffer.from(text)))).toEqual([]);
    expect(said.join("").length).toBeGreaterThan(5000);
  });

  it("are in no file of a restored server, whatever becomes of it", async () => {
    for (const [index, position] of ["primary", "replica"].entries()) {
      const place = join(daemon.root, `restored${index}`);
      mkdirSync(place);
      giveToUnprivileged(place);
      const restored = await ask(daemon, "restore", "primary", "newest", position, place);
      said.push(JSON.stringify(restored));
      const files = everythingBelow(place).filter((path) => lstatSync(path).isFile());
      expect(files.filter((path) => betrays(readFileSync(path)))).toEqual([]);
      const open = everythingBelow(place).filter((path) => (lstatSync(path).mode & 0o077) !== 0);
      expect(open).toEqual([]);
      expect(files.length).toBeGreaterThan(500);
      const settings = readFileSync(join(String(restored["Directory"]), "postgresql.auto.conf"), "utf8");
      expect(settings).toContain("restore_command");
      expect(settings.includes("primary_conninfo = 'host=")).toBe(position === "replica");
    }
  });

  it("are in no log, in no file of the repository and in no file of the surroundings", async () => {
    expect(/log_level = trace/.test(readFileSync(daemon.configFile, "utf8")) && daemon.log().includes("DEBUG")).toBe(
      true,
    );
    expect(betrays(Buffer.from(daemon.log()))).toBe(false);
    const files = everythingBelow(daemon.root).filter((path) => lstatSync(path).isFile());
    const telling = files.filter((path) => betrays(readFileSync(path))).map((path) => relative(daemon.root, path));
    // The file whose only purpose it is.
    expect(telling).toEqual(["home/.pgmoneta/master.key"]);
  });

  it("are not given away by a program that cannot do what it was asked for", async () => {
    const usersFile = join(daemon.configDir, "pgmoneta_users.conf");
    const calls: readonly (readonly [string, readonly string[]])[] = [
      ["moneta-admin", ["-f", usersFile, "-U", "moneta", "-P", password, "user", "add"]],
      ["moneta-admin", ["-f", "/nonexistent/users.conf", "-U", "moneta", "-P", password, "user", "add"]],
      ["moneta-admin", ["-P", password, "master-key"]],
      ["moneta-admin", ["-P", password, "no-such-command"]],
      ["moneta-cli", ["-P", password, "no-such-command"]],
      ["moneta", ["-P", password]],
    ];
    for (const [program, args] of calls) {
      const path = join(import.meta.dirname, "../../bin", program);
      const { status, stdout, stderr } = await run(path, args, {
        env: { PATH: process.env["PATH"], HOME: daemon.home },
        unprivileged: true,
      });
      expect([program, args.at(-1), status]).not.toEqual([program, args.at(-1), 0]);
      expect([program, args, betrays(Buffer.from(stdout + stderr))]).toEqual([program, args, false]);
    }
  });
});

describe("a support bundle", () => {
  /** What `tar` finds in it, and everything that `gzip` makes of it. */
  async function unpack(path: string): Promise<{ readonly names: readonly string[]; readonly bytes: Buffer; readonly readme: string }> {
    const list = await run("tar", ["-tzf", path]);
    expect([list.status, list.stderr]).toEqual([0, ""]);
    const names = list.stdout.trim().split("\n");
    const readme = await run("tar", ["-xzOf", path, names.find((name) => name.endsWith("/README")) ?? ""]);
    const bytes = execFileSync("gzip", ["-dc", path], { maxBuffer: 256 * 1024 * 1024 });
    return { names: names.map((name) => name.slice(name.indexOf("/") + 1)).filter((name) => name !== "" && !name.endsWith("/")), bytes, readme: readme.stdout };
  }

  const keyLines = (): string[] =>
    [privateKey, readFileSync(join(daemon.home, ".pgmoneta/master.key"), "utf8")].flatMap((text) => text.split("\n").filter((line) => line.length >= 16 && !line.startsWith("-----")));
  const found = (bytes: Buffer): string[] =>
    [...[password, passphrase, hookWord, fileSecret, environmentSecret, adminPassword].flatMap(spellings), ...keyLines().map((line) => Buffer.from(line))]
      .filter((secret) => bytes.includes(secret))
      .map(String);

  it("has what helps, and neither a password nor a key, a token, or the address of a webhook", async () => {
    const admins = await daemon.admin(["-f", join(daemon.configDir, "pgmoneta_admins.conf"), "-U", "boss", "-P", adminPassword, "user", "add"]);
    expect([admins.status, await cli("conf", "reload")]).toEqual([0, 0]);
    const path = join(daemon.root, "bundle.tar.gz");
    const written = await daemon.cli(["diagnose", "--output", path], { format: "none" });
    expect([written.status, written.stderr]).toEqual([0, ""]);
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    const { bytes, names, readme } = await unpack(path);
    expect(names.toSorted()).toEqual(
      [
        "README",
        "client.json",
        ...["ping", "status", "configuration", "configuration-files", "schedule"].map((name) => `commands/${name}.json`),
        ...["check", "progress", "backups", "lineage"].map((name) => `servers/primary/${name}.json`),
        ...["process.json", "children.json", "metrics.txt", "recent.log"].map((name) => `daemon/${name}`),
        ...["system.json", "limits.txt", "room.json", "programs.txt"].map((name) => `machine/${name}`),
        ...["backup.info.txt", "wal.json", "jobs.json", "schedule.json"].map((name) => `repository/primary/${name}`),
      ].toSorted(),
    );
    expect(readme).toContain("It is complete.");
    for (const name of names.filter((each) => each !== "README")) expect(readme).toContain(`  ${name}\n`);
    // It is about this daemon: lines of its log, a child, a metric, the newest backup, where secrets come from.
    for (const words of ["is ready", `"kind": "receiver"`, "moneta_", "LABEL=", "env:MONETA_TEST_TOKEN", `"notify_webhook": "***"`]) expect([words, bytes.includes(words)]).toEqual([words, true]);
    expect(found(bytes)).toEqual([]);
    expect(await cli("diagnose", "--output", path)).toBe(22);
  });

  it("is made without a daemon too, and says what it lacks then", async () => {
    await daemon.stop();
    const path = join(daemon.root, "offline.tar.gz");
    expect(await cli("diagnose", "--output", path)).toBe(3);
    const written = await daemon.cli(["--offline", "-D", daemon.configDir, "diagnose", "--output", path], { format: "none" });
    expect(written.status).toBe(9);
    expect(written.stderr.replaceAll(/\s+/g, " ")).toContain("log/moneta.log: the log goes to standard output");
    const { bytes, names, readme } = await unpack(path);
    expect(names).toEqual(expect.arrayContaining(["configuration.json", "machine/room.json", "repository/primary/backup.info.txt", "servers/primary/backups.json"]));
    expect(readme).toContain("It is INCOMPLETE: 1 of");
    expect(readme).toContain("expected the environment variable MONETA_TEST_TOKEN to be set");
    expect(bytes.includes("LABEL=")).toBe(true);
    expect(found(bytes)).toEqual([]);
  });
});
