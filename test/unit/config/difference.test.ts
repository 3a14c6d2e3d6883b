import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applicable, describeConfiguration, loadConfiguration, mainTable, secretsOf, serverTable, type LoadedConfiguration } from "../../../src/config/index.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "mdiff"));
  mkdirSync(join(root, "s"));
  mkdirSync(join(root, "other"));
});
afterAll(() => rmSync(root, { recursive: true }));

const server = (name: string, more = ""): string => `[${name}]\nhost = ${name}.example\nport = 5432\nuser = repl\nwal_slot = moneta\n${more}`;

function load(main: string, servers: string = server("primary"), environment: Readonly<Record<string, string>> = {}): Promise<LoadedConfiguration> {
  const text = `[pgmoneta]\nhost = localhost\nunix_socket_dir = ${root}/s\nbase_dir = ${root}/backup\n${main}\n${servers}`;
  const path = join(root, "pgmoneta.conf");
  writeFileSync(path, text);
  return loadConfiguration({ main: path, environment: { HOME: root, ...environment }, defaultDirectory: join(root, "nowhere") });
}

describe("what a reload can apply", () => {
  it("applies what it can, keeps what needs a restart, and lists both", async () => {
    const before = await load("workers = 2\nlog_level = info");
    const wanted = await load(`workers = 4\nlog_level = info\nmaster_key_file = ${root}/elsewhere/master.key`, server("primary", "max_rate = 1000"));
    const { difference, loaded } = applicable(before, wanted);
    expect(difference).toEqual({
      changed: [
        { section: "pgmoneta", key: "workers", before: "2", after: "4" },
        { section: "primary", key: "max_rate", before: "0", after: "1000" },
      ],
      needRestart: [{ section: "pgmoneta", key: "master_key_file", before: `${root}/.pgmoneta/master.key`, after: `${root}/elsewhere/master.key` }],
      added: [],
      removed: [],
    });
    expect(loaded.configuration.main).toMatchObject({ workers: 4, masterKeyFile: `${root}/.pgmoneta/master.key` });
    // What is inherited follows, and is told where it stands.
    expect(loaded.configuration.servers).toMatchObject([{ workers: 4, maxRate: 1000 }]);
    // It waits for the restart however often it is read.
    expect(applicable(loaded, wanted).difference).toMatchObject({ changed: [], needRestart: [{ key: "master_key_file" }] });
    expect(applicable(loaded, before).difference).toMatchObject({ needRestart: [] });
  });

  it("computes what follows from a value that stays from that one", async () => {
    const before = await load("");
    writeFileSync(join(root, "pgmoneta.conf"), before.source.text.replace(`${root}/s`, `${root}/other`));
    const wanted = await loadConfiguration({ main: join(root, "pgmoneta.conf"), environment: { HOME: root }, defaultDirectory: root });
    expect(wanted.configuration.main.pidfile).toBe(`${root}/other/pgmoneta.localhost.pid`);
    const { difference, loaded } = applicable(before, wanted);
    expect(loaded.configuration.main.pidfile).toBe(`${root}/s/pgmoneta.localhost.pid`);
    expect(difference.needRestart.map(({ key }) => key)).toEqual(["unix_socket_dir"]);
    expect(difference.changed).toEqual([]);
  });

  it("refuses what goes together only after a restart", async () => {
    const before = await load("");
    const wanted = await load("", server("primary", `wal_shipping = ${root}/backup/copy`)).catch((error: unknown) => error);
    expect(wanted).toMatchObject({ code: "CONFIGURATION_INVALID" });
    const path = join(root, "pgmoneta.conf");
    const text = before.source.text.replace(`${root}/backup`, `${root}/moved`) + `wal_shipping = ${root}/backup/copy\n`;
    const moved = await loadConfiguration({ main: path, mainText: text, environment: { HOME: root }, defaultDirectory: root });
    expect(() => applicable(before, moved)).toThrow(/wal_shipping: expected a directory that is not within base_dir.*as long as the daemon has not been started again/s);
  });

  it("names servers that come and go, and keeps the order of the file", async () => {
    const before = await load("", server("one") + server("two"));
    const { difference, loaded } = applicable(before, await load("", server("three") + server("two", "retention = 30")));
    expect(difference).toMatchObject({ added: ["three"], removed: ["one"], changed: [{ section: "two", key: "retention", before: "7", after: "30" }] });
    expect(loaded.configuration.servers.map(({ name }) => name)).toEqual(["three", "two"]);
  });

  it("has four keys that a running daemon cannot take over, and knows for each key which it is", () => {
    const waiting = [...Object.entries(mainTable), ...Object.entries(serverTable)].filter(([, { reload, status }]) => reload !== "live" && status.is === "active");
    expect(waiting.map(([key]) => key).sort()).toEqual(["base_dir", "master_key_file", "unix_socket_dir", "update_process_title"]);
  });
});

describe("secrets", () => {
  const shown = (loaded: LoadedConfiguration): string => JSON.stringify([...describeConfiguration(loaded.source).servers], (_key, value: unknown) => value) + JSON.stringify(describeConfiguration(loaded.source).main);

  it("come from a file or the environment, and are shown by neither name nor difference", async () => {
    const path = join(root, "secret");
    writeFileSync(path, "s3cr3t of a file\n", { mode: 0o600 });
    const before = await load("s3_secret_access_key = plainly s3cr3t");
    const wanted = await load(`s3_secret_access_key = file:${path}\nazure_shared_key = env:AZURE_KEY`, server("primary"), { AZURE_KEY: "s3cr3t of the environment" });
    expect(wanted.configuration.main).toMatchObject({ s3SecretAccessKey: "s3cr3t of a file", azureSharedKey: "s3cr3t of the environment" });
    expect(secretsOf(wanted.source)).toEqual(["s3cr3t of a file", "s3cr3t of the environment"]);
    expect(secretsOf(before.source)).toEqual(["plainly s3cr3t"]);
    expect(shown(before) + shown(wanted)).not.toContain("s3cr3t");
    const { changed } = applicable(before, wanted).difference;
    expect(JSON.stringify(changed)).not.toContain("s3cr3t");
    expect(changed.find(({ key }) => key === "s3_secret_access_key")).toMatchObject({ before: "***", after: `file:${path}` });
  });

  it.each([
    ["file:secret", "file: with an absolute path"],
    ["file:/nowhere/secret", 'the file "/nowhere/secret" to be one that can be read'],
    ["env:NOT_SET", "the environment variable NOT_SET to be set"],
  ])("that cannot be had from %s are a warning as long as nothing needs them", async (value, reason) => {
    const { configuration, warnings } = await load(`s3_secret_access_key = ${value}`);
    expect(configuration.main.s3SecretAccessKey).toBeUndefined();
    expect(warnings.map(({ message }) => message).join()).toContain(reason);
  });

  it("are not read from a file that others may read", async () => {
    const path = join(root, "open");
    writeFileSync(path, "s3cr3t", { mode: 0o644 });
    const { warnings } = await load(`s3_secret_access_key = file:${path}`);
    expect(warnings.map(({ message }) => message).join()).toContain("mode 0600");
  });
});
