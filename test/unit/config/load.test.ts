import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { MonetaError } from "../../../src/common/index.ts";
import {
  describeConfiguration,
  formatProblem,
  loadConfiguration,
  type LoadedConfiguration,
  type LoadOptions,
} from "../../../src/config/index.ts";
import { addUser, createMasterKey, openUsersFile, readMasterKey } from "../../../src/vault/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let root = "";
let environment: Record<string, string> = {};

beforeEach(async () => {
  root = temporaryDirectory().path;
  environment = { HOME: join(root, "home"), TMPDIR: "/tmp" };
  await mkdir(join(root, "home"));
  await mkdir(join(root, "s"));
});

const server = `[primary]
host = localhost
port = 5432
user = repl
wal_slot = moneta
`;

/** A valid main file with more keys of the main section, and more text at the end. */
function file(more = "", end = ""): string {
  return `[pgmoneta]\nhost = localhost\nunix_socket_dir = ${root}/s\nbase_dir = ${root}/backup\n${more}${more === "" ? "" : "\n"}${server}${end}`;
}

async function load(text: string, options: Partial<LoadOptions> = {}): Promise<LoadedConfiguration> {
  await writeFile(join(root, "pgmoneta.conf"), text);
  return loadConfiguration({ directory: root, environment, defaultDirectory: join(root, "nowhere"), ...options });
}

/** The lines of the one error, without the directory. */
async function refusal(text: string, options: Partial<LoadOptions> = {}): Promise<string[]> {
  try {
    await load(text, options);
  } catch (error) {
    if (!(error instanceof MonetaError)) throw error;
    expect(error.code).toBe("CONFIGURATION_INVALID");
    return error.message
      .split("\n")
      .slice(1)
      .map((line) => line.replaceAll(`${root}/`, ""));
  }
  throw new Error("the configuration was accepted");
}

const warningsOf = ({ warnings }: LoadedConfiguration): string[] =>
  warnings.map((warning) => formatProblem(warning).replaceAll(`${root}/`, ""));

test("a small configuration gets pgmoneta's defaults", async () => {
  const { configuration, warnings, masterKey } = await load(file());
  expect(warnings).toEqual([]);
  expect(masterKey).toBeUndefined();
  expect(configuration.main).toMatchObject({
    host: "localhost",
    unixSocketDir: `${root}/s`,
    baseDir: `${root}/backup`,
    compression: { method: "zstd", where: "client" },
    compressionLevel: 3,
    encryption: "none",
    hashAlgorithm: "sha256",
    retention: { kind: "calendar", days: 7, weeks: undefined, months: undefined, years: undefined },
    blockingTimeout: 30,
    authenticationTimeout: 5,
    logType: "console",
    logLevel: "info",
    pidfile: `${root}/s/pgmoneta.localhost.pid`,
    masterKeyFile: `${root}/home/.pgmoneta/master.key`,
    passFile: `${root}/home/.pgpass`,
    storageEngine: ["local"],
  });
  expect(configuration.servers).toHaveLength(1);
  expect(configuration.servers[0]).toMatchObject({
    name: "primary",
    host: "localhost",
    port: 5432,
    user: "repl",
    walSlot: "moneta",
    tlsMode: "prefer",
  });
  expect(configuration.files).toEqual({
    main: `${root}/pgmoneta.conf`,
    users: undefined,
    admins: undefined,
    directory: root,
  });
});

test("the PID file of a daemon for all addresses has pgmoneta's name", async () => {
  const { configuration } = await load(file().replace("host = localhost", "host = *"));
  expect(configuration.main.pidfile).toBe(`${root}/s/pgmoneta.all.pid`);
});

test("everything that is wrong is told at once, in the order of the file, and secrets are not repeated", async () => {
  const text = `[pgmoneta]
host = localhost
unix_socket_dir = ${root}/missing
compresion = zstd
log_level = verbose
metrics = 70000
s3_secret_access_key =
log_level = info
nonsense

[primary]
host = localhost
port = x
wal_slot = Bad-Slot
hash_algorithm = sha512

[primary]
`;
  expect(await refusal(text)).toEqual([
    "pgmoneta.conf:1: base_dir: expected a path, but the key is missing",
    'pgmoneta.conf:3: unix_socket_dir: expected a directory that exists, found "missing"',
    "pgmoneta.conf:4: compresion: expected a key of this section: did you mean compression?",
    'pgmoneta.conf:5: log_level: expected fatal, error, warn, info, debug, trace, debug1, debug2, debug3, debug4 or debug5, found "verbose"',
    'pgmoneta.conf:6: metrics: expected a port from 1 to 65535, or 0 for off, found "70000"',
    "pgmoneta.conf:7: s3_secret_access_key: expected a text that is not empty",
    "pgmoneta.conf:8: log_level: expected each key once in a section, but it is set in line 5 already",
    "pgmoneta.conf:9: [pgmoneta]: expected [section], key = value, or a comment that begins with # or ;",
    "pgmoneta.conf:11: user: expected the name of a role, but the key is missing",
    'pgmoneta.conf:13: port: expected a port from 1 to 65535, found "x"',
    'pgmoneta.conf:14: wal_slot: expected the name of a replication slot: 1 to 63 lower-case letters, digits and underscores, found "Bad-Slot"',
    "pgmoneta.conf:15: hash_algorithm: expected a key of this section",
    "pgmoneta.conf:17: [primary]: expected each section once, but [primary] begins in line 11 already",
  ]);
});

describe("sections", () => {
  test("the main one is required", async () => {
    expect(await refusal(server)).toEqual(["pgmoneta.conf: expected the section [pgmoneta]"]);
    expect(await refusal(`${server}retention = 7, 4, 5\n`)).toEqual(["pgmoneta.conf: expected the section [pgmoneta]"]);
  });
  test("at least one server is required", async () => {
    const text = `[pgmoneta]\nhost = *\nunix_socket_dir = ${root}/s\nbase_dir = ${root}/b\n`;
    expect(await refusal(text)).toEqual([
      "pgmoneta.conf: expected at least one section of a PostgreSQL server with host, port, user and wal_slot",
    ]);
  });
  test.each(["all", "a/b", "..", ".hidden", "-x", "a b", "x".repeat(201)])(
    "a server cannot be called %s",
    async (name) => {
      const [problem, ...more] = await refusal(file().replace("[primary]", `[${name}]`));
      expect(problem).toMatch(/^pgmoneta\.conf:5: \[.*\]: expected (another|a) name/);
      expect(more).toEqual([]);
    },
  );
  test("there may be more servers than pgmoneta's 64", async () => {
    const many = Array.from({ length: 100 }, (_unused, index) =>
      server.replace("primary", `s${index}`).replace("moneta", `slot_${index}`),
    );
    const { configuration } = await load(file("", many.join("\n")));
    expect(configuration.servers).toHaveLength(101);
  });
  test("two servers cannot share a slot of the same PostgreSQL server", async () => {
    expect(await refusal(file("", server.replace("primary", "other")))).toEqual([
      "pgmoneta.conf:14: wal_slot: expected a slot of its own, but [primary] uses the same one of the same host and port",
    ]);
    await load(file("", server.replace("primary", "other").replace("5432", "5433")));
  });
});

describe("a server takes from the main section what it does not set", () => {
  test("values, and -1 where pgmoneta writes it", async () => {
    const main =
      "workers = 4\nmax_rate = 1000\nprogress = on\ncreate_slot = yes\ncompression = gzip\ncompression_level = 9\nworkspace = /w";
    const own = "workers = -1\nmax_rate = -1\nprogress = -1\n";
    const { configuration } = await load(file(main, own));
    expect(configuration.servers[0]).toMatchObject({
      workers: 4,
      maxRate: 1000,
      progress: true,
      createSlot: true,
      compression: { method: "gzip", where: "client" },
      compressionLevel: 9,
      workspace: "/w",
    });
  });
  test("its own ones win", async () => {
    const { configuration } = await load(
      file("workers = 4\nprogress = on", "workers = 2\nprogress = 0\nencryption = none\ncompression = lz4\n"),
    );
    expect(configuration.servers[0]).toMatchObject({ workers: 2, progress: false, compression: { method: "lz4" } });
  });
  test("retention field by field", async () => {
    const { configuration } = await load(file("retention = 7, 4, 12, 5", "retention = 30, -, 6\n"));
    expect(configuration.servers[0]?.retention).toEqual({ kind: "calendar", days: 30, weeks: 4, months: 6, years: 5 });
    const other = await load(file("retention = 7, 4\nretention_minimum = 3", "retention = count:2\n"));
    expect(other.configuration.servers[0]).toMatchObject({
      retention: { kind: "count", copies: 2 },
      retentionMinimum: 3,
    });
  });
  test("but not the level of another compression method", async () => {
    const { configuration } = await load(file("compression = zstd\ncompression_level = 19", "compression = gzip\n"));
    expect(configuration.servers[0]).toMatchObject({ compression: { method: "gzip" }, compressionLevel: 3 });
  });
});

describe("keys that belong together", () => {
  test("a level that the method does not have", async () => {
    expect(await refusal(file("compression = gzip\ncompression_level = 10"))).toEqual([
      'pgmoneta.conf:6: compression_level: expected a level of gzip from 1 to 9, found "10"',
    ]);
    expect(await refusal(file("", "compression = bzip2\ncompression_level = 0\n"))).toEqual([
      'pgmoneta.conf:11: compression_level: expected a level of bzip2 from 1 to 9, found "0"',
    ]);
  });
  test("a level of lz4 is reported as without effect", async () => {
    expect(warningsOf(await load(file("compression = lz4\ncompression_level = 9")))).toEqual([
      "pgmoneta.conf:6: compression_level: not active: the lz4 library has no levels",
    ]);
  });
  test("retention without days", async () => {
    expect(await refusal(file("retention = -, 4"))).toEqual([
      "pgmoneta.conf:5: retention: expected at least 1 day in the first field",
    ]);
    expect(await refusal(file("retention = window:14d", "retention = -, 4\n"))).toEqual([
      "pgmoneta.conf:11: retention: expected at least 1 day in the first field",
    ]);
    expect(await refusal(file("retention_minimum = 0"))).toEqual([
      'pgmoneta.conf:5: retention_minimum: expected a whole number from 1 to 10000, found "0"',
    ]);
  });
  test("with a certificate authority there is nothing but verified TLS", async () => {
    await writeFile(join(root, "ca.crt"), "");
    const ca = `tls_ca_file = ${root}/ca.crt\n`;
    expect((await load(file("", ca))).configuration.servers[0]?.tlsMode).toBe("verify-full");
    for (const mode of ["prefer", "disable", "require"]) {
      expect(await refusal(file("", `${ca}tls_mode = ${mode}\n`))).toEqual([
        `pgmoneta.conf:11: tls_mode: expected verify-full, because tls_ca_file is set, found "${mode}"`,
      ]);
    }
  });
  test("a revocation list and the authority whose it is", async () => {
    await writeFile(join(root, "crl.pem"), "");
    expect(await refusal(file(`tls_crl_file = ${root}/crl.pem`))).toEqual([
      "pgmoneta.conf:5: tls_crl_file: expected tls_ca_file as well, because without it no certificate is asked for",
    ]);
    expect((await load(file(`tls_crl_file = ${root}/crl.pem\ntls_ca_file = ${root}/crl.pem`))).configuration.main.tlsCrlFile).toBe(`${root}/crl.pem`);
  });
  test("a certificate and its key, the key private", async () => {
    await writeFile(join(root, "c.crt"), "");
    await writeFile(join(root, "c.key"), "", { mode: 0o600 });
    const certificate = `tls_cert_file = ${root}/c.crt\n`;
    expect(await refusal(file("", certificate))).toEqual([
      "pgmoneta.conf:10: tls_cert_file: expected tls_key_file as well, because a certificate and its key belong together",
    ]);
    await load(file("", `${certificate}tls_key_file = ${root}/c.key\n`));
    await chmod(join(root, "c.key"), 0o644);
    const [problem] = await refusal(file("", `${certificate}tls_key_file = ${root}/c.key\n`));
    expect(problem).toMatch(/^pgmoneta\.conf:11: tls_key_file: expected a private key with mode 0600/);
  });
});

describe("a server that follows another one", () => {
  const section = (name: string, follow: string): string => `[${name}]\nhost = h\nport = 5432\nuser = u\nwal_slot = ${name}\n${follow}`;
  test.each([
    ["itself", "follow = primary", "", "pgmoneta.conf:10: follow: expected another server, found the name of this one"],
    ["one that is not there", "follow = other", "", 'pgmoneta.conf:10: follow: expected the name of another server section, found "other"'],
    [
      "one that follows it in turn",
      "follow = second",
      section("second", "follow = primary"),
      'pgmoneta.conf:10: follow: expected a server that follows none, because one that follows does not stream all the time; found "second", which follows [primary] in turn',
    ],
    [
      "one that follows a third one",
      "follow = second",
      `${section("second", "follow = third")}\n${section("third", "")}`,
      'pgmoneta.conf:10: follow: expected a server that follows none, because one that follows does not stream all the time; found "second", which follows [third]',
    ],
  ])("cannot follow %s", async (_, own, more, message) => {
    const [problem] = await refusal(`${file("", own)}\n${more}`);
    expect(problem).toBe(message);
  });
  test("is told which one", async () => {
    const { configuration } = await load(`${file("", "follow = second")}\n${section("second", "")}`);
    expect(configuration.servers.map(({ name, follow }) => [name, follow])).toEqual([["primary", "second"], ["second", undefined]]);
  });
});

describe("remote management", () => {
  const at = (host: string, more: string): string => file(more).replace("host = localhost", `host = ${host}`);

  test("that others can reach needs TLS, unless clear text is allowed by name", async () => {
    for (const host of ["*", "0.0.0.0", "db.example.org", "127.0.0.1.example.org"]) {
      expect((await refusal(at(host, "management = 5001"))).join()).toMatch(/^pgmoneta\.conf:5: management: expected tls = on/);
      expect((await load(at(host, "management = 5001\ntls_required = off"))).configuration.main.tlsRequired).toBe(false);
      expect((await load(at(host, "management = 0"))).configuration.main.tlsRequired).toBe(true);
    }
    for (const host of ["localhost", "127.0.0.1", "127.8.0.1", "::1"]) {
      expect((await load(at(host, "management = 5001"))).configuration.main.tlsRequired).toBe(false);
      expect((await refusal(at(host, "management = 5001\ntls_required = on"))).join()).toMatch(/^pgmoneta\.conf:6: tls_required: expected tls = on/);
    }
  });

  test("with TLS needs files that are there, and a key that nobody else can read", async () => {
    expect((await refusal(at("*", "management = 5001\ntls = on"))).join()).toMatch(/tls: expected tls_cert_file and tls_key_file/);
    const files = `tls_cert_file = ${root}/c\ntls_key_file = ${root}/k`;
    expect(await refusal(at("*", `management = 5001\ntls = on\n${files}`))).toHaveLength(2);
    await writeFile(join(root, "c"), "");
    await writeFile(join(root, "k"), "", { mode: 0o644 });
    expect((await refusal(at("*", `management = 5001\ntls = on\n${files}`))).join()).toMatch(/tls_key_file: expected a private key with mode 0600/);
    await chmod(join(root, "k"), 0o600);
    expect((await load(at("*", `management = 5001\ntls = on\n${files}`))).configuration.main.tlsRequired).toBe(true);
  });
});

describe("features that are not there", () => {
  test.each([
    ["storage_engine = s3", ""],
    ["storage_engine = local, s3", ""],
  ])("what would protect less than asked for is refused: %s%s", async (main, own) => {
    const [problem, ...more] = await refusal(file(main, own));
    expect(problem).toMatch(/^pgmoneta\.conf:\d+: \w+: expected the key not to be set: .* this version/);
    expect(more).toEqual([]);
  });
  test("except offline, where the old backups are all that matters", async () => {
    const loaded = await load(file("storage_engine = local, s3"), { purpose: "offline" });
    expect(warningsOf(loaded).map((warning) => warning.split(":").slice(1, 4).join(":"))).toEqual([
      "5: storage_engine: not active",
    ]);
  });
  test("what only lacks an effect is reported", async () => {
    const text = file(
      "metrics = 5001\nbacklog = 99\nprogress = on\nretention = 7\nverification = 1d\nlibev = epoll\nhugepage = off\nnagios = 0\nssh_hostname = h",
    );
    expect(warningsOf(await load(text)).map((warning) => warning.split(":")[2]?.trim())).toEqual([
      "backlog",
      "libev",
      "ssh_hostname",
    ]);
  });
  test("a second copy of the WAL within the repository would be the first one", async () => {
    const problems = await refusal(file("", `wal_shipping = ${root}/other/../backup/copy`));
    expect(problems.find((problem) => problem.includes("wal_shipping"))).toMatch(/expected a directory that is not within base_dir/);
  });
  test("a value that asks for nothing is not reported", async () => {
    expect(
      warningsOf(
        await load(file("metrics = 0\nstorage_engine = local\nlibev = auto\ndirect_io = off\nverification = 0")),
      ),
    ).toEqual([]);
  });
});

describe("the environment", () => {
  test("its variables are replaced in paths, except in single quotes", async () => {
    environment["WHERE"] = root;
    const { configuration } = await load(file("log_path = ${WHERE}/$WHERE.log\npidfile = '/tmp/$WHERE'"));
    expect(configuration.main.logPath).toBe(`${root}/${root}.log`);
    expect(configuration.main.pidfile).toBe("/tmp/$WHERE");
  });
  test("one that is not set is an error, not nothing", async () => {
    expect(await refusal(file("log_path = $NOT_SET/x"))).toEqual([
      'pgmoneta.conf:5: log_path: expected the environment variable NOT_SET to be set, found "$NOT_SET/x"',
    ]);
  });
  test("other keys keep their dollars", async () => {
    const { configuration } = await load(file("log_line_prefix = $HOME"));
    expect(configuration.main.logLinePrefix).toBe("$HOME");
  });
  test("relative paths become absolute, a default too", async () => {
    const { configuration } = await load(file("workspace = w"));
    expect(configuration.main.workspace).toBe(join(process.cwd(), "w"));
    expect(configuration.main.logPath).toBe(join(process.cwd(), "pgmoneta.log"));
  });
  test("a socket directory whose socket could not be named is refused", async () => {
    const long = join(root, "x".repeat(100));
    await mkdir(long);
    const [problem] = await refusal(file().replace(`${root}/s`, long));
    expect(problem).toMatch(/^pgmoneta\.conf:3: unix_socket_dir: expected a directory with a path of at most 95 bytes/);
  });
  test("a base_dir that is a file is refused, one that is missing is not", async () => {
    await writeFile(join(root, "backup"), "");
    expect((await refusal(file()))[0]).toMatch(/^pgmoneta\.conf:4: base_dir: expected a directory/);
  });
  test("offline nothing of the machine is needed", async () => {
    const { configuration } = await load(file("encryption = aes").replaceAll(root, "/not/there"), {
      purpose: "offline",
    });
    expect(configuration.main.encryption).toBe("aes-256-gcm");
  });

  test("offline a secret that cannot be had is none that is needed, and its key counts as set", async () => {
    const text = file("notify_webhook = env:NOT_HERE\nnotify_webhook_token = file:/not/there");
    const loaded = await load(text, { purpose: "offline" });
    expect(loaded.configuration.main.notifyWebhook).toBeUndefined();
    expect(warningsOf(loaded)).toEqual([
      expect.stringMatching(/^pgmoneta\.conf:5: notify_webhook: expected the environment variable NOT_HERE to be set$/),
      expect.stringMatching(/^pgmoneta\.conf:6: notify_webhook_token: expected the file "\/not\/there"/),
    ]);
    expect(describeConfiguration(loaded.source).main["notify_webhook"]?.text).toBe("env:NOT_HERE");
    expect(await refusal(text)).toHaveLength(2);
  });
});

describe("which files are read", () => {
  const otherServer = server.replace("primary", "other");
  test("the named one, else that of the directory, else the default place", async () => {
    await mkdir(join(root, "default"));
    await mkdir(join(root, "empty"));
    await writeFile(join(root, "default", "pgmoneta.conf"), file().replace(server, otherServer));
    await writeFile(join(root, "named.conf"), file("workers = 3"));
    await writeFile(join(root, "pgmoneta.conf"), file());
    const defaultDirectory = join(root, "default");
    const mainOf = async (options: Partial<LoadOptions>) =>
      (await loadConfiguration({ environment, defaultDirectory, ...options })).configuration.files.main;
    expect(await mainOf({ main: join(root, "named.conf"), directory: root })).toBe(join(root, "named.conf"));
    expect(await mainOf({ directory: root })).toBe(join(root, "pgmoneta.conf"));
    expect(await mainOf({ environment: { ...environment, PGMONETA_CONFIG_DIR: root } })).toBe(
      join(root, "pgmoneta.conf"),
    );
    expect(
      await mainOf({ directory: join(root, "empty"), environment: { ...environment, PGMONETA_CONFIG_DIR: root } }),
    ).toBe(join(root, "default", "pgmoneta.conf"));
    expect(await mainOf({})).toBe(join(root, "default", "pgmoneta.conf"));
  });
  test.each([
    { main: "/not/there.conf" },
    { users: "/not/there.conf" },
    { admins: "/not/there.conf" },
    { directory: "/not/there" },
    { directory: "/tmp" },
  ])("what is named and missing is an error: %j", async (options) => {
    await writeFile(join(root, "pgmoneta.conf"), file());
    const all = { directory: root, environment, defaultDirectory: join(root, "nowhere"), ...options };
    await expect(loadConfiguration(all)).rejects.toMatchObject({ code: "CONFIGURATION_NOT_FOUND" });
  });
  test("text that is no UTF-8 is refused", async () => {
    await writeFile(join(root, "pgmoneta.conf"), Buffer.from([0x5b, 0xff, 0x5d]));
    const all = { directory: root, environment };
    await expect(loadConfiguration(all)).rejects.toMatchObject({ code: "CONFIGURATION_UNREADABLE" });
  });
});

describe("users and the master key", () => {
  const keyFile = () => join(root, "home/.pgmoneta/master.key");
  const usersFile = () => join(root, "pgmoneta_users.conf");

  async function withUser(): Promise<void> {
    await createMasterKey(keyFile(), "a master key");
    await addUser(await openUsersFile(usersFile()), "repl", "s3cret pass", await readMasterKey(keyFile()));
  }

  test("passwords are had by name, and seen by nobody who prints the configuration", async () => {
    await withUser();
    const { configuration, masterKey } = await load(file());
    expect(configuration.users.names).toEqual(["repl"]);
    expect(configuration.users.get("repl")).toBe("s3cret pass");
    expect(configuration.users.get("other")).toBeUndefined();
    expect(configuration.users.has("repl")).toBe(true);
    expect(masterKey).toBeDefined();
    expect(JSON.stringify(configuration)).not.toContain("s3cret");
  });
  test("what needs no secrets begins before they are known, unless something else is wrong already", async () => {
    await withUser();
    const begun: string[] = [];
    const meanwhile: LoadOptions["meanwhile"] = (main) => void begun.push(main.baseDir);
    await load(file(), { meanwhile });
    expect(begun.splice(0)).toEqual([`${root}/backup`]);
    await refusal(file("workers = many"), { meanwhile });
    expect(begun).toEqual([]);
    await writeFile(usersFile(), "repl:abc\n", { mode: 0o600 });
    await refusal(file(), { meanwhile });
    expect(begun).toEqual([`${root}/backup`]);
  });
  test("a users file of another master key is refused with its line", async () => {
    await withUser();
    const other = join(root, "home/other/master.key");
    await createMasterKey(other, "another key");
    expect(await refusal(file(`master_key_file = ${other}`))).toEqual([
      expect.stringMatching(/^pgmoneta_users\.conf:1: the password of repl cannot be decrypted with this master key/),
    ]);
  });
  test("a damaged users file is refused with its line", async () => {
    await withUser();
    await writeFile(usersFile(), `# comment\n${await readFile(usersFile(), "utf8")}admin:abc\n`, { mode: 0o600 });
    expect(await refusal(file())).toEqual([expect.stringMatching(/^pgmoneta_users\.conf:3: expected name:base64/)]);
  });
  test("encryption without a master key is refused, naming the key and the command", async () => {
    const [problem] = await refusal(file("encryption = aes"));
    expect(problem).toMatch(/^pgmoneta\.conf:5: encryption: the master key .* is not there.*moneta-admin master-key/);
    const [ofServer] = await refusal(file("", "encryption = aes\n"));
    expect(ofServer).toMatch(/^pgmoneta\.conf:10: encryption: the master key/);
  });
  test("a master key that is there is read, although nothing is encrypted today: old backups may be", async () => {
    await createMasterKey(keyFile(), "a master key");
    expect((await load(file())).masterKey).toBeDefined();
    await chmod(keyFile(), 0o644);
    expect(await refusal(file())).toEqual([expect.stringMatching(/^home\/\.pgmoneta\/master\.key: .* has mode 0644/)]);
  });
  test("a master key that others can read is refused", async () => {
    await withUser();
    await chmod(keyFile(), 0o640);
    expect(await refusal(file())).toEqual([
      expect.stringMatching(/^pgmoneta_users\.conf: .*master\.key" has mode 0640, expected 0600/),
    ]);
  });
});

test("what was loaded cannot be changed", async () => {
  const { configuration } = await load(file());
  const everything = configuration as unknown as { main: Record<string, unknown>; servers: Record<string, unknown>[] };
  expect(() => (everything.main["workers"] = 1)).toThrow(TypeError);
  expect(() => ((everything.main["compression"] as Record<string, unknown>)["method"] = "none")).toThrow(TypeError);
  expect(() => ((everything.servers[0] ?? {})["port"] = 1)).toThrow(TypeError);
  expect(() => everything.servers.push({})).toThrow(TypeError);
});
