import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runConf, type ConfRequest } from "../../../src/admin/conf.ts";
import type { ActionResult } from "../../../src/admin/actions.ts";
import { loadConfiguration } from "../../../src/config/index.ts";

let root: string;
let file: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "maconf"));
  file = join(root, "pgmoneta.conf");
});
afterEach(() => rmSync(root, { recursive: true }));

const run = (request: ConfRequest, answers: readonly string[] = []): Promise<ActionResult> => {
  const left = [...answers];
  const prompt = { ask: async () => left.shift() ?? "", askSecret: async () => "", close: () => undefined };
  return runConf(request, { prompt, environment: { HOME: root } });
};
const set = (section: string, key: string, value: string): Promise<ActionResult> => run({ command: "conf set", file, section, key, value });
const text = (): string => readFileSync(file, "utf8");
const init = (more: Partial<ConfRequest & { command: "conf init" }> = {}): ConfRequest => ({ command: "conf init", output: file, quiet: true, force: false, ...more });

describe("conf init", () => {
  it("writes a file that the daemon takes, for nobody else to read", async () => {
    await run(init());
    expect(statSync(file).mode & 0o777).toBe(0o600);
    mkdirSync(join(root, "s"));
    const mainText = text().replace("/run/pgmoneta", join(root, "s")).replace("/var/lib/pgmoneta", join(root, "b"));
    const { configuration, warnings } = await loadConfiguration({ main: file, mainText, environment: { HOME: root }, defaultDirectory: root });
    expect([configuration.servers.map(({ name, createSlot }) => [name, createSlot]), warnings]).toEqual([[["primary", true]], []]);
  });

  it("asks, and what is not answered is as it is shown", async () => {
    await run(init({ quiet: false }), ["*", "", "/srv/moneta", "db", "db.example", "", "backup", ""]);
    expect(text()).toMatch(/\nhost = \*\n.*\nunix_socket_dir = \/run\/pgmoneta\n.*\nbase_dir = \/srv\/moneta\n.*\[db\]\nhost = db\.example\nport = 5432\n.*\nuser = backup\nwal_slot = moneta\n/s);
  });

  it("refuses an answer that is none, and writes nothing", async () => {
    await expect(run(init({ quiet: false }), ["*", "", "", "db", "", "many"])).rejects.toMatchObject({ code: "CONFIGURATION_REFUSED", message: expect.stringContaining("a port from 1 to 65535") as string });
    expect(existsSync(file)).toBe(false);
  });

  it("leaves a file that is there, unless it may be replaced", async () => {
    writeFileSync(file, "mine");
    await expect(run(init())).rejects.toMatchObject({ code: "CONFIGURATION_NOT_SAVED" });
    expect(text()).toBe("mine");
    await run(init({ force: true }));
    expect(text()).toContain("[primary]");
  });
});

describe("conf set, get, del and ls", () => {
  beforeEach(() => writeFileSync(file, "# Mine\n[pgmoneta]\nhost = localhost   # where\ns3_secret_access_key = n3v3r\n", { mode: 0o640 }));

  it("change one value, and tell what the file still lacks", async () => {
    const { lines = [], message } = await set("primary", "port", "5433");
    expect(text()).toBe("# Mine\n[pgmoneta]\nhost = localhost   # where\ns3_secret_access_key = n3v3r\n\n[primary]\nport = 5433\n");
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(message).toContain("port of [primary] is 5433");
    expect(lines.join("\n")).toMatch(/not complete yet:\n.*base_dir: expected a path, but the key is missing/s);
  });

  it.each([
    ["pgmoneta", "wrokers", "1", "did you mean workers?"],
    ["pgmoneta", "workers", "many", 'found "many"'],
    ["primary", "base_dir", "/x", "expected a key of this section"],
  ])("[%s] %s = %s is refused, and nothing is written", async (section, key, value, reason) => {
    const before = text();
    await expect(set(section, key, value)).rejects.toMatchObject({ code: "CONFIGURATION_REFUSED", message: expect.stringContaining(reason) as string });
    expect(text()).toBe(before);
  });

  it("do not show a secret, but where it comes from", async () => {
    const get = async (): Promise<unknown> => (await run({ command: "conf get", file, section: "pgmoneta", key: "s3_secret_access_key" })).lines;
    expect(await get()).toEqual(["***"]);
    const { message } = await set("pgmoneta", "s3_secret_access_key", "an0ther");
    expect(message).not.toContain("an0ther");
    await set("pgmoneta", "s3_secret_access_key", "env:KEY");
    expect(await get()).toEqual(["env:KEY"]);
  });

  it("list sections and keys, remove them, and say what is not there", async () => {
    await set("primary", "port", "5433");
    const ls = async (section?: string): Promise<unknown> => (await run({ command: "conf ls", file, section })).lines;
    expect([await ls(), await ls("pgmoneta")]).toEqual([["pgmoneta", "primary"], ["host", "s3_secret_access_key"]]);
    await run({ command: "conf del", file, section: "pgmoneta", key: "s3_secret_access_key" });
    await run({ command: "conf del", file, section: "primary", key: undefined });
    expect(text()).toBe("# Mine\n[pgmoneta]\nhost = localhost   # where\n");
    for (const request of [
      { command: "conf get", file, section: "pgmoneta", key: "workers" },
      { command: "conf del", file, section: "primary", key: undefined },
      { command: "conf ls", file, section: "primary" },
    ] as const)
      await expect(run(request)).rejects.toMatchObject({ code: "CONFIGURATION_NOT_SET" });
  });

  it("know the keys of moneta-cli's own file", async () => {
    file = join(root, "pgmoneta_cli.conf");
    writeFileSync(file, "[pgmoneta]\nhost = localhost\n");
    await set("pgmoneta", "output", "json");
    await expect(set("pgmoneta", "workers", "1")).rejects.toMatchObject({ code: "CONFIGURATION_REFUSED" });
    expect(text()).toBe("[pgmoneta]\nhost = localhost\noutput = json\n");
  });

  it("replace the file behind a link, and refuse where they may not", async () => {
    const link = join(root, "link.conf");
    symlinkSync(file, link);
    await run({ command: "conf set", file: link, section: "pgmoneta", key: "host", value: "*" });
    expect(text()).toContain("host = *   # where");
    await expect(run({ command: "conf ls", file: join(root, "nowhere"), section: undefined })).rejects.toMatchObject({ code: "CONFIGURATION_UNREADABLE" });
    // Root may write everywhere.
    if (process.getuid?.() === 0) return;
    chmodSync(root, 0o500);
    await expect(set("pgmoneta", "host", "a")).rejects.toMatchObject({ code: "CONFIGURATION_NOT_SAVED" });
    chmodSync(root, 0o700);
  });
});
