import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { loadCliConfiguration, type LoadedClientConfiguration } from "../../../src/config/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let root = "";
beforeEach(() => {
  root = temporaryDirectory().path;
});

async function load(text: string): Promise<LoadedClientConfiguration> {
  await writeFile(join(root, "pgmoneta_cli.conf"), text);
  return loadCliConfiguration({ main: join(root, "pgmoneta_cli.conf"), environment: { HOME: root } });
}

test("every key works, those too that pgmoneta's manual has and its client ignores", async () => {
  const { options, set, warnings } = await load(`[any name]
host = backup.example.org
port = 5002
unix_socket_dir = $HOME/s
compression = bz2
encryption = aes192
output = json
[another]
log_type = file
log_level = debug5
log_path = /tmp/cli.log
log_rotation_age = 1d
log_rotation_size = 10M
log_line_prefix = %H:%M # no seconds
log_mode = create
`);
  expect(options).toMatchObject({
    host: "backup.example.org",
    port: 5002,
    unixSocketDir: `${root}/s`,
    compression: "bzip2",
    encryption: "aes-192-gcm",
    output: "json",
    logType: "file",
    logLevel: "trace",
    logPath: "/tmp/cli.log",
    logRotationAge: 86_400,
    logRotationSize: 10_485_760,
    logLinePrefix: "%H:%M",
    logMode: "create",
  });
  expect(set.has("output")).toBe(true);
  expect(set.has("logFormat")).toBe(false);
  expect(warnings).toEqual([]);
});

test("pgmoneta's spelling Output means output, and both together are too many", async () => {
  expect((await load("[s]\nOutput = raw\n")).options.output).toBe("raw");
  await expect(load("[s]\nOutput = raw\noutput = json\n")).rejects.toMatchObject({ code: "CONFIGURATION_INVALID" });
});

test("an unknown key is refused with its line", async () => {
  await expect(load("[s]\nhots = x\n")).rejects.toThrow(
    /pgmoneta_cli\.conf:2: hots: expected a key of this section: did you mean host\?/,
  );
});

test("/dev/null is no file, also where there is one at the default place", async () => {
  await writeFile(join(root, "pgmoneta_cli.conf"), "[s]\nhost = elsewhere\n");
  const places = { environment: {}, directory: root, defaultDirectory: root };
  expect(loadCliConfiguration(places).options.host).toBe("elsewhere");
  const { file, set } = loadCliConfiguration({ ...places, main: "/dev/null" });
  expect([file, set.size]).toEqual([undefined, 0]);
});

test("a missing default file leaves the defaults, a missing named one is an error", () => {
  const { file, options, set } = loadCliConfiguration({ environment: {}, defaultDirectory: root });
  expect(file).toBeUndefined();
  expect(set.size).toBe(0);
  expect(options.logType).toBe("console");
  expect(() => loadCliConfiguration({ main: join(root, "x.conf"), environment: {} })).toThrow(/is not there/);
});
