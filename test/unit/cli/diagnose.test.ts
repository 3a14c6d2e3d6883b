import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCli, type Terminal } from "../../../src/cli/index.ts";
import { systemClock } from "../../../src/common/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { createManagementServer, diagnosisResponse, managementErrors, pingResponse, type ManagementHandler, type ManagementServer } from "../../../src/management/index.ts";
import { addUser, createMasterKey, openUsersFile, readMasterKey } from "../../../src/vault/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let directory: string;
let server: ManagementServer | undefined;
beforeEach(() => {
  directory = temporaryDirectory({ prefix: "dic" }).path;
});
afterEach(async () => {
  await server?.close(true);
  server = undefined;
});

const bundle = (): string => join(directory, "bundle.tar.gz");
const bytesOfBundle = (): Buffer => gunzipSync(readFileSync(bundle()));

async function run(words: readonly string[], more: Partial<Terminal> = {}) {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({ write: (text: string) => void (written[name] += text), isTTY: false, columns: 80 });
  const status = await runCli(words, {
    stdout: output("stdout"),
    stderr: output("stderr"),
    environment: { HOME: directory, PATH: "/usr/bin" },
    userId: 1000,
    homeDirectory: directory,
    clock: systemClock,
    ask: () => Promise.reject(new Error("nobody answers")),
    askSecret: () => Promise.reject(new Error("nobody answers")),
    interactive: false,
    onInterrupt: () => () => undefined,
    interrupted: new AbortController().signal,
    version: "1.2.3",
    defaultDirectory: directory,
    ...more,
  });
  return { status, ...written };
}

/** The parts by name, with the text of each, unpacked by tar. */
function unpack(): ReadonlyMap<string, string> {
  const place = join(directory, "unpacked");
  mkdirSync(place);
  execFileSync("tar", ["-xzf", bundle(), "-C", place, "--strip-components=1"]);
  const names = readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(names.map(({ name, parentPath }) => [join(parentPath, name).slice(place.length + 1), readFileSync(join(parentPath, name), "utf8")]));
}

const userPassword = "Zürich-user-4711";
const adminPassword = "admin's \"words\" 0815";
const passphrase = "correct horse battery staple 9";
const token = "tok-en-4711-secret";
const hook = "https://hooks.example.org/services/T0815/B4711/wEbHoOkWoRd";
const fromEnvironment = "fromTheEnvironment99";
const fromFile = "from-a-file-1234";

const main = (more = ""): string => `[pgmoneta]
host = localhost
unix_socket_dir = ${directory}
base_dir = ${directory}/backup
log_type = file
log_path = ${directory}/moneta.log
notify_webhook = ${hook}
notify_webhook_token = file:${directory}/token
notify_slack = env:SLACK
# the old one was ${token}
${more}
[primary]
host = localhost
port = 5432
user = repl
wal_slot = moneta
`;

/** An installation with a secret wherever one can be, all of which a careless log repeats. */
async function install(text = main()): Promise<void> {
  const at = (name: string): string => join(directory, name);
  for (const name of [".pgmoneta", "backup"]) mkdirSync(at(name), { mode: 0o700 });
  await createMasterKey(at(".pgmoneta/master.key"), passphrase);
  const key = await readMasterKey(at(".pgmoneta/master.key"));
  await addUser(await openUsersFile(at("pgmoneta_users.conf")), "repl", userPassword, key);
  await addUser(await openUsersFile(at("pgmoneta_admins.conf")), "boss", adminPassword, key);
  writeFileSync(at("token"), `${fromFile}\n`);
  chmodSync(at("token"), 0o600);
  writeFileSync(at("pgmoneta.conf"), text);
  writeFileSync(at(".pgpass"), "host:5000:admin:boss:in\\:the-pass-file\n");
  const said = [userPassword, adminPassword, passphrase, hook, hook.split("/").at(-1) ?? "", fromEnvironment, fromFile, "in:the-pass-file"];
  writeFileSync(at("moneta.log"), [...said.map((secret) => `it said "${secret}"`), JSON.stringify(said), readFileSync(at(".pgmoneta/master.key"), "utf8"), "an ordinary line", ""].join("\n"));
}

const secrets = [userPassword, adminPassword, "admin's \\\"words", passphrase, "wEbHoOkWoRd", token, fromEnvironment, fromFile, "in:the-pass-file"];
const betrayed = (): string[] => {
  const bytes = bytesOfBundle();
  const keyLines = readFileSync(join(directory, ".pgmoneta/master.key"), "utf8").trim().split("\n");
  return [...secrets, ...keyLines, Buffer.from(passphrase).toString("base64")].filter((secret) => bytes.includes(secret));
};

describe("diagnose --offline", () => {
  it("writes what there is, and no secret", async () => {
    await install();
    const abandoned = join(directory, "moneta-diagnose.0123456789ab.tmp");
    writeFileSync(abandoned, "half");
    const { status, stdout, stderr } = await run(["--offline", "diagnose", "--output", bundle()], { environment: { HOME: directory, PATH: "/usr/bin", SLACK: `https://slack.example.org/${fromEnvironment}` } });
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(`Written to ${bundle()}\n`);
    expect(stdout).toContain(`\nRemoved ${abandoned}, which an earlier diagnose had left`);
    expect(existsSync(abandoned)).toBe(false);
    expect(betrayed()).toEqual([]);
    const parts = unpack();
    expect([...parts.keys()].toSorted()).toEqual([
      "README",
      "client.json",
      "configuration.json",
      "log/moneta.log",
      "machine/limits.txt",
      "machine/programs.txt",
      "machine/room.json",
      "machine/system.json",
      "repository/primary/backup.info.txt",
      "repository/primary/jobs.json",
      "repository/primary/schedule.json",
      "repository/primary/wal.json",
      "servers/primary/backups.json",
    ]);
    const configuration = JSON.parse(parts.get("configuration.json") ?? "") as Record<string, unknown>;
    expect(configuration).toMatchObject({ notify_webhook: "***", notify_webhook_token: `file:${directory}/token`, notify_slack: "env:SLACK", base_dir: `${directory}/backup` });
    expect(parts.get("log/moneta.log")).toContain("an ordinary line");
    for (const name of parts.keys()) if (name !== "README") expect(parts.get("README")).toContain(`  ${name}\n`);
  });

  it("needs no secret that is not there, and says which", async () => {
    await install();
    const { status, stderr } = await run(["--offline", "diagnose", "--output", bundle()]);
    expect([status, stderr]).toEqual([0, ""]);
    expect(unpack().get("README")).toContain("expected the environment variable SLACK to be set");
  });

  it("shows a configuration that cannot be understood as far as it can be shown, and says that it is not all", async () => {
    await install(main(`notify_webhok_token = ${token}\nworkers = many`));
    const { status, stderr } = await run(["--offline", "diagnose", "--output", bundle()]);
    expect(status).toBe(9);
    expect(stderr).toContain("DIAGNOSE_INCOMPLETE");
    // What is wrong, and where.
    expect(stderr).toContain("configuration.json: the configuration has 2 problems");
    expect(betrayed()).toEqual([]);
    const parts = unpack();
    expect(parts.get("configuration.txt")).toContain(`notify_webhok_token = ***\nworkers = many\n`);
    expect(parts.get("README")).toContain("It is INCOMPLETE: 1 of");
    expect(parts.has("machine/system.json")).toBe(true);
  });

  it("says so where the passwords cannot be had that are looked for", async () => {
    await install();
    chmodSync(join(directory, ".pgmoneta/master.key"), 0o644);
    const { status, stderr } = await run(["--offline", "diagnose", "--output", bundle()]);
    expect([status, stderr]).toEqual([9, expect.stringContaining("passwords: ")]);
    expect(unpack().get("README")).toContain("the passwords that are looked for in everything else");
    // What else is known is looked for all the same.
    expect([fromFile, "wEbHoOkWoRd"].filter((secret) => bytesOfBundle().includes(secret))).toEqual([]);
  });

  it("is made of the machine alone where there is no configuration, and names what it took away also then", async () => {
    const left = join(dirname(bundle()), "moneta-diagnose.0123456789ab.tmp");
    writeFileSync(left, "");
    const { status, stderr, stdout } = await run(["-F", "json", "--offline", "diagnose", "--output", bundle()]);
    expect([status, stderr]).toEqual([9, expect.stringContaining(`removed "${left}", which an earlier diagnose had left`)]);
    expect(JSON.parse(stdout)).toMatchObject({ Response: { File: bundle() } });
    expect(existsSync(left)).toBe(false);
    expect([...unpack().keys()].toSorted()).toEqual(["README", "client.json", "machine/limits.txt", "machine/system.json"]);
  });
});

describe("diagnose of a daemon", () => {
  async function startDaemon(handle: ManagementHandler): Promise<void> {
    writeFileSync(join(directory, "pgmoneta_cli.conf"), `[pgmoneta]\nunix_socket_dir = ${directory}\n`);
    server = await createManagementServer({ socketPath: join(directory, ".s.pgmoneta"), masterKeys: async () => [], logger: silentLogger, handle });
  }
  const own = diagnosisResponse([
    { name: "daemon/metrics.txt", about: "a scrape", text: "up 1\n", remark: undefined },
    { name: "../../escape", about: "", text: "no", remark: undefined },
    { name: "log/moneta.log", about: "the log", text: undefined, remark: "gone (DIAGNOSE_NO_LOG)" },
  ]);
  const answering: ManagementHandler = ({ command, fields }) => {
    if (command === "diagnose") return Promise.resolve({ status: true, response: own });
    if (command === "status details") return Promise.resolve({ status: true, response: { Servers: [{ Server: "primary" }] } });
    if (command === "check") throw managementErrors.serverUnknown(`there is no server ${String(fields.Server)}, password=hunter22`);
    return Promise.resolve({ status: true, response: pingResponse("1.2.3") });
  };

  it("has its own parts and the answers of the commands, names what fails, and ends as incomplete", async () => {
    await startDaemon(answering);
    const { status, stdout, stderr } = await run(["-F", "json", "diagnose", "--output", bundle()]);
    expect([status, stderr]).toEqual([9, expect.stringContaining("lacks 2 of its parts")]);
    expect(JSON.parse(stdout)).toMatchObject({ Outcome: { Status: false, Code: "DIAGNOSE_INCOMPLETE", Exit: 9 }, Response: { File: bundle() } });
    expect(`${stdout}${stderr}`).not.toContain("hunter22");
    const parts = unpack();
    expect([...parts.keys()].toSorted()).toEqual([
      "README",
      "client.json",
      "commands/configuration-files.json",
      "commands/configuration.json",
      "commands/ping.json",
      "commands/schedule.json",
      "commands/status.json",
      "daemon/metrics.txt",
      "servers/primary/backups.json",
      "servers/primary/lineage.json",
      "servers/primary/progress.json",
    ]);
    const readme = parts.get("README") ?? "";
    expect(readme).toContain("there is no server primary, password=*** (SERVER_UNKNOWN)");
    expect(readme).toContain("gone (DIAGNOSE_NO_LOG)");
    expect(JSON.parse(parts.get("commands/ping.json") ?? "")).toMatchObject({ Outcome: { Status: true }, Response: { MonetaVersion: "1.2.3" } });
  });

  it("writes nothing where there is no daemon, or no permission, or something there already", async () => {
    await startDaemon(({ command }) => {
      throw managementErrors.roleInsufficient(`${command} needs the role admin`);
    });
    expect(await run(["diagnose", "--output", bundle()])).toMatchObject({ status: 15, stderr: expect.stringContaining("needs the role admin") as unknown });
    await server?.close(true);
    expect(await run(["diagnose", "--output", bundle()])).toMatchObject({ status: 3, stderr: expect.stringContaining("DAEMON_UNREACHABLE") as unknown });
    expect(existsSync(bundle())).toBe(false);
    expect(await run(["--offline", "diagnose", "--output", join(directory, "no", "such", "place")])).toMatchObject({ status: 1, stderr: expect.stringContaining("DIAGNOSE_NOT_WRITTEN") as unknown });
    writeFileSync(bundle(), "mine");
    expect(await run(["--offline", "diagnose", "--output", bundle()])).toMatchObject({ status: 22 });
    expect(readFileSync(bundle(), "utf8")).toBe("mine");
  });
});
