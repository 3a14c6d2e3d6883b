import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfiguration, type LoadedConfiguration } from "../../../src/config/index.ts";
import { createHangUps } from "../../../src/supervisor/hang-up.ts";
import type { ReloadPart } from "../../../src/supervisor/reload-part.ts";
import { createReloads, type Reloads } from "../../../src/supervisor/reloads.ts";
import { createRecordingLogger, settled } from "./stand-ins.ts";

let root: string;
let path: string;
let events: string[];
let refuse: string | undefined;
let stopping: boolean;
let reloads: Reloads;
let said: () => string;

const original = `[pgmoneta]
host = localhost   # where
# How many
workers = 2

[primary]
host = db1
port = 5432
user = repl
wal_slot = moneta
`;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "mre"));
  mkdirSync(join(root, "s"));
  path = join(root, "pgmoneta.conf");
  write(original);
  events = [];
  refuse = undefined;
  stopping = false;
  const { logger, records } = createRecordingLogger();
  said = () => records.map(({ message }) => message).join("\n");
  reloads = createReloads({ source: { loaded: await read(), read }, parts: [part("log"), part("servers"), part("ports")], stopping: () => stopping, logger });
});
afterEach(() => rmSync(root, { recursive: true }));

const whole = (text: string): string => text.replace("[pgmoneta]\n", `[pgmoneta]\nbase_dir = ${root}/backup\nunix_socket_dir = ${root}/s\n`);
const write = (text: string): void => writeFileSync(path, whole(text), { mode: 0o640 });
const read = (mainText?: string): Promise<LoadedConfiguration> =>
  loadConfiguration({ main: path, mainText, environment: { HOME: root }, defaultDirectory: join(root, "nowhere") });
const workers = (): number => reloads.running().configuration.main.workers;

function part(name: string): ReloadPart {
  return {
    name,
    prepare({ after }) {
      events.push(`${name} prepares`);
      if (refuse === name) return Promise.reject(new Error(`${name} is not ready`));
      return Promise.resolve({
        effects: [`${name} has ${after.configuration.main.workers}`],
        commit: () => void events.push(`${name} commits`),
        abandon: async () => void events.push(`${name} abandons`),
      });
    },
  };
}

describe("a reload", () => {
  it("prepares every part and commits them in one turn", async () => {
    write(original.replace("workers = 2", "workers = 4"));
    const { difference, effects } = await reloads.reload();
    expect(difference.changed).toEqual([{ section: "pgmoneta", key: "workers", before: "2", after: "4" }]);
    expect(effects).toEqual(["log has 4", "servers has 4", "ports has 4"]);
    expect(events).toEqual(["log prepares", "servers prepares", "ports prepares", "log commits", "servers commits", "ports commits"]);
    expect(workers()).toBe(4);
    expect(said()).toContain("workers: 2 → 4");
  });

  it("changes nothing when one part is not ready", async () => {
    refuse = "ports";
    write(original.replace("workers = 2", "workers = 4"));
    await expect(reloads.reload()).rejects.toThrow("ports is not ready");
    expect(events).toEqual(["log prepares", "servers prepares", "ports prepares", "servers abandons", "log abandons"]);
    expect(workers()).toBe(2);
  });

  it("changes nothing when a line is wrong, and names it", async () => {
    write(original.replace("workers = 2", "workers = 4\nworker = 4\nretention = never"));
    await expect(reloads.reload()).rejects.toMatchObject({
      code: "CONFIGURATION_INVALID",
      message: expect.stringMatching(/pgmoneta\.conf:7: worker: .*did you mean workers.*\n.*pgmoneta\.conf:8: retention: expected/s) as string,
    });
    expect(events).toEqual([]);
    expect(workers()).toBe(2);
  });

  it("is refused when the daemon stops, also if that begins while parts are prepared", async () => {
    const slow = createReloads({
      source: { loaded: reloads.running(), read },
      parts: [part("log"), { name: "slow", prepare: async () => ((stopping = true), { commit: () => void events.push("slow commits"), abandon: async () => undefined }) }],
      stopping: () => stopping,
      logger: createRecordingLogger().logger,
    });
    await expect(slow.reload()).rejects.toMatchObject({ code: "DAEMON_STOPPING" });
    expect(events).toEqual(["log prepares", "log abandons"]);
    await expect(reloads.reload()).rejects.toMatchObject({ code: "DAEMON_STOPPING" });
  });

  it("says so when a part fails where nothing may fail, and goes on with the others", async () => {
    const broken: ReloadPart = {
      name: "the broken part",
      prepare: async () => ({
        commit() {
          throw new Error("a defect");
        },
        abandon: async () => undefined,
      }),
    };
    const own = createReloads({ source: { loaded: reloads.running(), read }, parts: [broken, part("log")], stopping: () => false, logger: createRecordingLogger().logger });
    await expect(own.reload()).rejects.toMatchObject({ code: "RELOAD_INCOMPLETE", message: expect.stringContaining("the broken part: a defect") as string });
    expect(events).toEqual(["log prepares", "log commits"]);
  });
});

describe("setting a key", () => {
  const set = (key: string, value: string, save = false, section = "pgmoneta") => reloads.set({ section, key }, value, save);

  it("is in force at once, until the file is read again", async () => {
    expect(await set("workers", "8")).toMatchObject({ change: { before: "2", after: "8" }, needsRestart: false, saved: undefined });
    expect(workers()).toBe(8);
    expect(readFileSync(path, "utf8")).toBe(whole(original));
    expect(await set("max_rate", "1000", false, "primary")).toMatchObject({ change: { before: "0", after: "1000" } });
    expect([workers(), reloads.running().configuration.servers[0]?.maxRate]).toEqual([8, 1000]);
    expect(await set("workers", "8")).toMatchObject({ change: undefined });
    await reloads.reload();
    expect([workers(), reloads.running().configuration.servers[0]?.maxRate]).toEqual([2, 0]);
  });

  it("writes the file with everything that is in it, and its mode", async () => {
    chmodSync(path, 0o640);
    await set("retention", "3", true);
    expect(await set("workers", "8", true)).toMatchObject({ saved: path });
    expect(readFileSync(path, "utf8")).toBe(whole(original).replace("workers = 2", "workers = 8\nretention = 3"));
    expect(statSync(path).mode & 0o777).toBe(0o640);
    await reloads.reload();
    expect(workers()).toBe(8);
  });

  it("keeps what somebody else changed in the file, which waits for a reload", async () => {
    write(original.replace("localhost   # where", "*"));
    await set("workers", "8", true);
    expect(readFileSync(path, "utf8")).toBe(whole(original).replace("localhost   # where", "*").replace("workers = 2", "workers = 8"));
    expect(reloads.running().configuration.main.host).toBe("localhost");
  });

  it.each([
    ["workers", "many", false, "CONFIGURATION_REFUSED", "workers: expected a whole number"],
    ["workers", "many", true, "CONFIGURATION_REFUSED", "workers: expected a whole number"],
    ["base_dir", "/elsewhere", false, "CONFIGURATION_NEEDS_RESTART", "base_dir cannot be changed in a daemon that runs"],
    ["log_line_prefix", "a\nb", true, "CONFIGURATION_UNWRITABLE", "end of a line"],
  ])("%s = %j (save: %s) is refused with %s, and nothing changes", async (key, value, save, code, message) => {
    await expect(set(key, value, save)).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
    expect([readFileSync(path, "utf8"), events.filter((event) => event.endsWith("commits"))]).toEqual([whole(original), []]);
  });

  it("saves what needs a restart, and goes on with what it was", async () => {
    const { change, needsRestart, saved } = await set("master_key_file", join(root, "k"), true);
    expect([change?.after, needsRestart, saved]).toEqual([join(root, "k"), true, path]);
    expect(reloads.running().configuration.main.masterKeyFile).toBe(join(root, ".pgmoneta/master.key"));
    expect(readFileSync(path, "utf8")).toContain(`master_key_file = ${root}/k`);
    expect((await reloads.reload()).difference.needRestart.map(({ key }) => key)).toEqual(["master_key_file"]);
  });

  it("is not in force when it cannot be saved, and not saved when a part is not ready", async () => {
    refuse = "servers";
    await expect(set("workers", "8", true)).rejects.toThrow("servers is not ready");
    refuse = undefined;
    const broken = original.replace("[primary]", "[primary");
    write(broken);
    await expect(set("workers", "8", true)).rejects.toMatchObject({ code: expect.stringMatching(/CONFIGURATION_/) as string });
    expect([workers(), readFileSync(path, "utf8")]).toEqual([2, whole(broken)]);
    expect(events.filter((event) => event.endsWith("commits"))).toEqual([]);
  });
});

describe("signals to reload", () => {
  it("are one reload at a time, and one more for all that come meanwhile", async () => {
    let begun = 0;
    let end: () => void = () => undefined;
    const failures: unknown[] = [];
    const hangUps = createHangUps((error) => failures.push(error));
    hangUps.request();
    hangUps.ready(() => {
      begun += 1;
      return new Promise<void>((resolve, reject) => {
        end = begun === 2 ? () => reject(new Error("wrong")) : resolve;
      });
    });
    expect(begun).toBe(1);
    for (let count = 0; count < 5; count += 1) hangUps.request();
    end();
    await settled();
    expect(begun).toBe(2);
    end();
    await settled();
    expect([begun, failures.length]).toEqual([2, 1]);
    hangUps.request();
    expect(begun).toBe(3);
  });
});
