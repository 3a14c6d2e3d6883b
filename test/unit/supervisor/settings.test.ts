import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadConfiguration, type Configuration } from "../../../src/config/index.ts";
import { deriveMasterKey } from "../../../src/encryption/index.ts";
import {
  liveSettings,
  logWords,
  managementLimits,
  repositorySettings,
  secretsFor,
  serverSettings,
} from "../../../src/supervisor/settings.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

/** No value is a default, and no two are the same, so that one that went astray is seen. */
const mainKeys = `authentication_timeout = 3
blocking_timeout = 4m
connect_timeout = 7
receiver_timeout = 11
receiver_status_interval = 2
keep_alive = off
nodelay = off
compression = gzip
compression_level = 8
hash_algorithm = sha512
link = off
job_memory = 17M
workers = 5
max_rate = 1900
pass_file = /etc/pass
master_key_file = /etc/master.key
log_type = syslog
log_mode = create
log_format = json
log_level = debug`;
const serverKeys = `create_slot = on
wal_shipping = /srv/second
workers = 6
max_rate = 2100
compression = server-zstd
compression_level = 4
tls_ca_file = /etc/ca.crt
tls_cert_file = /etc/c.crt
tls_key_file = /etc/c.key`;

async function load(main: string, server: string): Promise<Configuration> {
  const root = temporaryDirectory().path;
  await mkdir(join(root, "s"));
  const text = `[pgmoneta]\nhost = *\nunix_socket_dir = ${root}/s\nbase_dir = /srv/moneta\n${main}\n\n[primary]\nhost = db.example\nport = 5433\nuser = repl\nwal_slot = slot_1\n${server}\n`;
  await writeFile(join(root, "pgmoneta.conf"), text);
  // Offline, so that nothing of the machine is asked for.
  const loaded = await loadConfiguration({ directory: root, environment: { HOME: root }, purpose: "offline" });
  return loaded.configuration;
}

function theOnly(configuration: Configuration): Configuration["servers"][number] {
  const [server] = configuration.servers;
  if (server === undefined) throw new Error("there is no server");
  return server;
}

it("every key that a child needs reaches it, seconds as milliseconds", async () => {
  const configuration = await load(mainKeys, serverKeys);
  const server = theOnly(configuration);
  expect(serverSettings(configuration, server)).toEqual({
    name: "primary",
    slot: "slot_1",
    createSlot: true,
    receiverTimeoutMs: 11_000,
    statusIntervalMs: 2_000,
    connection: {
      host: "db.example",
      port: 5433,
      user: "repl",
      applicationName: "slot_1",
      tls: { mode: "verify-full", caFile: "/etc/ca.crt", certFile: "/etc/c.crt", keyFile: "/etc/c.key" },
      connectTimeoutMs: 7_000,
      authenticationTimeoutMs: 3_000,
      keepAlive: false,
      noDelay: false,
      passFile: "/etc/pass",
    },
  });
  expect(repositorySettings(configuration, server, "id-1")).toEqual({
    baseDir: "/srv/moneta",
    id: "id-1",
    compression: "zstd",
    compressionSide: "server",
    compressionLevel: 4,
    encryption: "none",
    hash: "sha512",
    link: false,
    secondCopy: "/srv/second",
    memoryBytes: 17 * 1024 * 1024,
    masterKeyFile: "/etc/master.key",
    configDirectory: configuration.files.directory,
  });
  expect(liveSettings(configuration, server, true, 9)).toEqual({
    configuration: { generation: 9, logLevel: "debug", workers: 5, maxRate: 1900 },
    server: { online: true, workers: 6, maxRate: 2100 },
  });
  expect(logWords(configuration.main)).toEqual({ logType: "syslog", logMode: "create", logFormat: "json" });
});

it("what is not configured is not sent", async () => {
  const configuration = await load("", "");
  const server = theOnly(configuration);
  expect(serverSettings(configuration, server).connection.tls).toEqual({ mode: "prefer" });
  expect(secretsFor(configuration, server, undefined)).toEqual({});
  const key = await deriveMasterKey(Buffer.from("a pass phrase"), Buffer.alloc(16, 1));
  expect(secretsFor(configuration, server, key)).toEqual({ masterKey: key.material.toString("base64") });
});

it("clients of the management socket have the time that is configured, 0 being no limit to fetching an answer", async () => {
  const { main } = await load(mainKeys, "");
  expect(managementLimits(main)).toEqual({ requestTimeoutMs: 3_000, answerTimeoutMs: 240_000 });
  const unlimited = (await load("blocking_timeout = 0", "")).main;
  expect(managementLimits(unlimited)).toEqual({ requestTimeoutMs: 5_000, answerTimeoutMs: 2 ** 31 - 1 });
});
