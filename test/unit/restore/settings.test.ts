import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseLsn, readSettings, timelineId, versionTraits, type ControlFile } from "../../../src/postgres/index.ts";
import { cleanIncludes } from "../../../src/restore/clean-includes.ts";
import { clusterConfiguration } from "../../../src/restore/cluster-configuration.ts";
import type { InspectedBackup } from "../../../src/restore/inspect-backup.ts";
import type { RecoveryTarget } from "../../../src/restore/recovery-position.ts";
import { recoverySettings, type RecoverySettings, type Settings } from "../../../src/restore/recovery-settings.ts";
import { parseTargetTime } from "../../../src/restore/target-time.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const wanted = (more: Partial<RecoverySettings>): RecoverySettings => ({
  traits: versionTraits(150018),
  restoreCommand: "fetch %f",
  recoveryEndCommand: "",
  target: { kind: "end" },
  instant: undefined,
  inclusive: undefined,
  action: undefined,
  timeline: timelineId(1),
  replica: undefined,
  ...more,
});
const targetNames = ["recovery_target", "recovery_target_name", "recovery_target_xid", "recovery_target_lsn", "recovery_target_time"];

describe("recovery settings", () => {
  const targets: [RecoveryTarget, string, string][] = [
    [{ kind: "immediate" }, "recovery_target", "immediate"],
    [{ kind: "name", name: "it's" }, "recovery_target_name", "it's"],
    [{ kind: "xid", xid: 754n }, "recovery_target_xid", "754"],
    [{ kind: "lsn", lsn: parseLsn("1/2A") }, "recovery_target_lsn", "1/2A"],
  ];
  it.each(targets)("set exactly one target, after the blanks: $kind", (target, name, value) => {
    const settings = recoverySettings(wanted({ target }));
    const written = settings.filter(([each]) => targetNames.includes(each));
    expect(written.map(([each]) => each).sort()).toEqual([...targetNames].sort());
    expect(written.at(-1)).toEqual([name, value]);
    expect(written.slice(0, -1).every(([, each]) => each === "")).toBe(true);
  });

  it("hand a time over in UTC with its offset", () => {
    const time = parseTargetTime("2026-11-20 09:00:00.5+01");
    const settings = new Map(recoverySettings(wanted({ target: { kind: "time", time }, instant: 1_000_000n })));
    expect(settings.get("recovery_target_time")).toBe("1970-01-01 00:00:01+00");
  });

  it("blank every target when there is none", () => {
    const settings = new Map(recoverySettings(wanted({})));
    for (const name of targetNames) expect(settings.get(name)).toBe("");
    expect(settings.has("recovery_target_action")).toBe(false);
  });

  it("promote a primary and pause a replica unless told otherwise", () => {
    const target = { kind: "immediate" } as const;
    const action = (more: Partial<RecoverySettings>) => new Map(recoverySettings(wanted({ target, ...more })));
    const replica = { host: "db", port: 5432, user: "moneta" };
    expect(action({}).get("recovery_target_action")).toBe("promote");
    expect(action({ replica }).get("recovery_target_action")).toBe("pause");
    expect(action({ action: "shutdown" }).get("recovery_target_action")).toBe("shutdown");
    expect(action({ action: "pause" }).get("hot_standby")).toBe("on");
  });

  it("name the primary of a replica with a pass file, never with a password", () => {
    const replica = { host: "/var/run/x y", port: 5433, user: "o'brien\\", passFile: "/home/m/.pgpass" };
    const settings = new Map(recoverySettings(wanted({ replica, timeline: "latest" })));
    expect(settings.get("primary_conninfo")).toBe("host='/var/run/x y' port='5433' user='o\\'brien\\\\' passfile='/home/m/.pgpass'");
    expect(settings.get("primary_slot_name")).toBe("");
    expect(settings.get("recovery_target_timeline")).toBe("latest");
  });

  it.each([13, 14, 15, 16, 17, 18])("name only settings that PostgreSQL %i knows", (major) => {
    const names = recoverySettings(wanted({ traits: versionTraits(major * 10_000) })).map(([name]) => name);
    expect(names.includes("archive_library")).toBe(major >= 15);
    expect(names.includes("promote_trigger_file")).toBe(major <= 15);
    expect(names.includes("sync_replication_slots")).toBe(major >= 17);
    for (const name of ["archive_mode", "archive_command", "synchronous_standby_names", "primary_conninfo"]) expect(names).toContain(name);
  });
});

describe("the configuration of a restored cluster", () => {
  const control = {
    maxConnections: 50,
    maxWorkerProcesses: 8,
    maxWalSenders: 10,
    maxPreparedTransactions: 0,
    maxLocksPerTransaction: 64,
  } as ControlFile;
  const backup = (more: Partial<InspectedBackup>) =>
    ({ control, postgresqlConf: "", autoConf: "", hasHba: true, ...more }) as InspectedBackup;
  const settings: Settings = [["restore_command", "x"], ["recovery_target_lsn", "0/5"]];

  it("keeps what an operator wrote, and puts the block last", () => {
    const conf = "# mine\nshared_buffers = 1GB  # much\nlisten_addresses = '*'\n";
    const { autoConf, postgresqlConf, hba } = clusterConfiguration(backup({ postgresqlConf: conf, autoConf: "work_mem = '8MB'\n" }), settings, ["why"]);
    expect(postgresqlConf).toBe(conf);
    expect(hba).toBeUndefined();
    expect(autoConf).toMatch(/^work_mem = '8MB'\n# --- begin of moneta restore ---\n# why\nrestore_command = 'x'\n/);
  });

  it("strips an earlier recovery from postgresql.auto.conf, and its own earlier block", () => {
    const first = clusterConfiguration(backup({ autoConf: "recovery_target_xid = '9'\nprimary_conninfo = 'password=secret'\narchive_command = 'cp'\n" }), settings, []);
    const again = clusterConfiguration(backup({ autoConf: first.autoConf }), [["recovery_target_lsn", "0/6"]], []);
    expect(again.autoConf).not.toMatch(/secret|xid|0\/5/);
    // What the block overrides comes back when it is taken out.
    expect(again.autoConf).toMatch(/^archive_command = 'cp'/);
    expect(again.autoConf.match(/begin of moneta restore/g)).toHaveLength(1);
  });

  it("takes out what leads out of the data directory, and every password", () => {
    const conf = [
      "data_directory = '/var/lib/postgresql/15/main'",
      "hba_file = '/etc/postgresql/15/main/pg_hba.conf'",
      "external_pid_file = '/var/run/postgresql/15-main.pid'",
      "primary_conninfo = 'host=x password=secret'",
      "include_dir '/etc/postgresql/15/main/conf.d'",
      "include_if_exists 'conf.d/own.conf'",
      "include '../outside.conf'",
    ].join("\n");
    const { postgresqlConf, notes } = clusterConfiguration(backup({ postgresqlConf: conf }), settings, []);
    expect([...readSettings(postgresqlConf, "conf").keys()]).toEqual([]);
    expect(postgresqlConf).not.toContain("secret");
    expect(postgresqlConf).toContain("# taken out by moneta restore: data_directory = '/var/lib");
    expect(postgresqlConf).toMatch(/^include_if_exists 'conf.d\/own.conf'$/m);
    expect(postgresqlConf).toMatch(/^# .*include '..\/outside.conf'$/m);
    expect(notes.join()).toMatch(/data_directory, hba_file, external_pid_file/);
  });

  it("cleans the files that postgresql.conf includes from within", async () => {
    const data = temporaryDirectory().path;
    mkdirSync(join(data, "conf.d/deep"), { recursive: true });
    writeFileSync(join(data, "conf.d/a.conf"), "primary_conninfo = 'password=secret'\ninclude 'deep/b.txt'\n");
    writeFileSync(join(data, "conf.d/deep/b.txt"), "hba_file = '/etc/x'\nwork_mem = 4MB\ninclude '../a.conf'\n");
    writeFileSync(join(data, "conf.d/ignored"), "hba_file = '/etc/x'\n");
    await cleanIncludes(data, "include_dir 'conf.d'\ninclude 'absent.conf'\n");
    expect(readFileSync(join(data, "conf.d/a.conf"), "utf8")).toBe("include 'deep/b.txt'\n");
    expect(readSettings(readFileSync(join(data, "conf.d/deep/b.txt"), "utf8"), "b")).toEqual(new Map([["work_mem", "4MB"]]));
    expect(readFileSync(join(data, "conf.d/ignored"), "utf8")).toContain("hba_file");
  });

  it("writes a minimal one where the source kept its own elsewhere, with what recovery must have", () => {
    const many = { ...control, maxConnections: 321, maxPreparedTransactions: 7, maxLocksPerTransaction: 65 };
    const { postgresqlConf, autoConf, hba, notes } = clusterConfiguration(
      backup({ control: many, postgresqlConf: undefined, autoConf: undefined, hasHba: false }),
      settings,
      [],
    );
    expect(postgresqlConf).toContain("listen_addresses = 'localhost'");
    expect(hba).toMatch(/^local all all peer$/m);
    const written = readSettings(autoConf, "auto");
    expect(written.get("max_connections")).toBe("321");
    expect(written.get("max_prepared_transactions")).toBe("7");
    expect(written.get("max_locks_per_transaction")).toBe("65");
    expect(written.has("max_wal_senders")).toBe(false);
    expect(notes).toHaveLength(3);
  });

  it("raises nothing that the files already have high enough", () => {
    const conf = "max_connections = 400\nmax_locks_per_transaction = 70\n";
    const { autoConf } = clusterConfiguration(backup({ control: { ...control, maxConnections: 321, maxLocksPerTransaction: 70 }, postgresqlConf: conf }), settings, []);
    expect(autoConf).not.toContain("max_");
  });

  it("is refused when PostgreSQL would not read a file", () => {
    expect(() => clusterConfiguration(backup({ postgresqlConf: "this is not a setting\n" }), settings, [])).toThrow(/postgresql.conf that PostgreSQL would not read/);
  });
});
