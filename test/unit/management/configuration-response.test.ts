import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeConfiguration, loadConfiguration, mainTable, serverTable } from "../../../src/config/index.ts";
import {
  buildResponse,
  configurationResponse,
  configurationSetResponse,
  isJsonObject,
  reloadResponse,
  selectConfiguration,
  type JsonObject,
} from "../../../src/management/index.ts";
import { category, missing, readCapture } from "./captures.ts";

let root: string;
let all: JsonObject;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "mcr"));
  // What the recorded daemon was started with.
  const text = `[pgmoneta]
host = 127.0.0.1
unix_socket_dir = ${root}
base_dir = ${root}/backup
workers = 2
retention = 7,4,12,5
log_type = file
s3_secret_access_key = n3v3r
[primary]
host = 127.0.0.1
port = 23681
user = repl
wal_slot = repl
create_slot = yes
`;
  writeFileSync(join(root, "pgmoneta.conf"), text);
  const { configuration, source } = await loadConfiguration({ main: join(root, "pgmoneta.conf"), environment: { HOME: root }, defaultDirectory: root });
  all = configurationResponse(describeConfiguration(source), configuration.files);
});
afterAll(() => rmSync(root, { recursive: true }));

const recorded = (name: string): JsonObject => category(readCapture(name).response, "Response");
const everything = Object.fromEntries(Object.entries(recorded("conf-get")).filter(([key]) => key !== "ServerVersion"));

describe("conf get", () => {
  it("has every key of pgmoneta's answer with its type, but for those that are listed here", () => {
    const paths = (value: JsonObject, path: string): string[] =>
      Object.entries(value).flatMap(([key, inner]) => (isJsonObject(inner) ? [`${path}${key}`, ...paths(inner, `${path}${key}.`)] : [`${path}${key}`]));
    const types = missing(all, everything, paths(everything, "")).filter((line) => !line.endsWith("instead of null"));
    expect(types.map((line) => line.replace(/: .*/, "")).sort()).toEqual([
      // Truth values, which pgmoneta has as numbers here.
      "create_slot",
      // The digest is hash_algorithm.
      "manifest",
      "s3_use_tls",
      "server.primary.create_slot",
      "server.primary.manifest",
      // It is in status.
      "server.primary.online",
      "users_configuration_path",
    ]);
    expect([all["log_level"], all["compression"], all["blocking_timeout"], all["keep_alive"], all["workers"]]).toEqual([
      everything["log_level"],
      everything["compression"],
      everything["blocking_timeout"],
      true,
      2,
    ]);
  });

  it("gives a section or a key, in the same form", () => {
    expect(selectConfiguration(all, { section: "pgmoneta", key: "workers" })).toEqual({ workers: 2 });
    expect(selectConfiguration({ ...all, ServerVersion: "0.22.0" }, { section: "primary", key: "port" })).toEqual({ server: { primary: { port: 23681 } }, ServerVersion: "0.22.0" });
    expect(selectConfiguration(all, { section: "primary" })).toEqual({ server: { primary: (all["server"] as JsonObject)["primary"] } });
    expect(Object.keys(selectConfiguration(all, { section: "pgmoneta" }) ?? {})).not.toContain("server");
    expect([selectConfiguration(all, { section: "pgmoneta", key: "nothing" }), selectConfiguration(all, { section: "nobody" })]).toEqual([null, null]);
  });

  it("keeps secrets to itself", () => {
    expect(all["s3_secret_access_key"]).toBe("***");
    expect(JSON.stringify(all)).not.toContain("n3v3r");
  });
});

describe("conf set and conf reload", () => {
  const facts = { key: "log_level", before: "info", after: "debug", effects: [], saved: undefined };

  it("answer with pgmoneta's keys", () => {
    expect(missing(configurationSetResponse({ ...facts, needsRestart: false }), { ...recorded("conf-set"), ServerVersion: null }, ["new_value", "old_value"])).toEqual(["ServerVersion: absent instead of null"]);
    const waiting = { ...facts, key: "host", before: "127.0.0.1", after: "127.0.0.2", needsRestart: true, saved: "/etc/pgmoneta/pgmoneta.conf" };
    expect(missing(configurationSetResponse(waiting), { ...recorded("conf-set-restart"), ServerVersion: null })).toEqual(["ServerVersion: absent instead of null"]);
    const nothing = { changed: [], needRestart: [], added: [], removed: [], effects: [], warnings: [] };
    expect(reloadResponse(nothing)["Restart"]).toBe(recorded("conf-reload")["Restart"]);
  });

  it("do not repeat a secret that was to be set, whichever key it is", () => {
    const secrets = [...Object.entries(mainTable), ...Object.entries(serverTable)].filter(([, option]) => "secret" in option && option.secret === true).map(([key]) => key);
    expect(secrets.length).toBeGreaterThan(3);
    const request = (key: string): JsonObject => ({ ConfigKey: key, ConfigValue: "n3v3r", Save: false });
    const answer = (key: string): string =>
      JSON.stringify(buildResponse({ number: 23, document: { Header: { Command: 23 }, Request: request(key) } }, { status: true, response: {} }, 0));
    expect(secrets.filter((key) => answer(key).includes("n3v3r") || answer(`server.primary.${key}`).includes("n3v3r"))).toEqual([]);
    expect(answer("workers")).toContain("n3v3r");
  });
});
