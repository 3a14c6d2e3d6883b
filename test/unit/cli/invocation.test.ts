import { describe, expect, it } from "vitest";
import { compressionNamed, encryptionNamed } from "../../../src/cli/invocation.ts";
import { parseCommandLine } from "../../../src/cli/program.ts";
import type { Choice } from "../../../src/cli/program.ts";
import { commandNames, commandTable } from "../../../src/management/index.ts";

interface Parsed {
  readonly choice: Choice;
  readonly stdout: string;
  readonly stderr: string;
}

function parse(...words: string[]): Parsed {
  const written = { stdout: "", stderr: "" };
  const choice = parseCommandLine(words, "1.2.3", {
    stdout: (text) => (written.stdout += text),
    stderr: (text) => (written.stderr += text),
    columns: 80,
  });
  return { choice, ...written };
}

function invoke(...words: string[]): Choice & { kind: "command" } {
  const { choice } = parse(...words);
  if (choice.kind !== "command") throw new Error("no command was chosen");
  return choice;
}

describe("command line", () => {
  const requests: readonly (readonly [string, string, object])[] = [
    ["ping", "ping", {}],
    ["status", "status", {}],
    ["status details", "status details", {}],
    ["backup primary", "backup", { Server: "primary", Backup: null }],
    ["backup primary 20261120090136", "backup", { Server: "primary", Backup: "20261120090136" }],
    ["list-backup primary", "list-backup", { Server: "primary", Sort: "asc" }],
    ["-s desc list-backup primary", "list-backup", { Server: "primary", Sort: "desc" }],
    ["list-backup primary --sort desc", "list-backup", { Server: "primary", Sort: "desc" }],
    [
      "restore primary newest /r",
      "restore",
      { Backup: "newest", Position: null, Directory: "/r", DryRun: false, CopyWal: false },
    ],
    ["restore primary newest current,replica /r", "restore", { Position: "current,replica", Directory: "/r" }],
    ["restore --dry-run --copy-wal primary newest /r", "restore", { DryRun: true, CopyWal: true }],
    ["delete primary oldest --force", "delete", { Server: "primary", Backup: "oldest", Force: true }],
    ["delete primary oldest", "delete", { Force: false }],
    ["retain --cascade primary oldest", "retain", { Cascade: true }],
    ["mode primary offline", "mode", { Server: "primary", Action: "offline" }],
    ["progress primary backup", "progress", { Server: "primary", Command: "backup" }],
    ["progress primary", "progress", { Server: "primary", Command: null }],
    ["progress --file /srv/f", "progress", { Server: null, SourceFile: "/srv/f" }],
    ["cancel primary 7", "cancel", { Server: "primary", Job: "7" }],
    ["cancel --file /srv/f", "cancel", { Server: null, Job: null, SourceFile: "/srv/f" }],
    ["compress --follow /srv/f", "compress", { SourceFile: "/srv/f" }],
    ["conf set log_level debug1", "conf set", { ConfigKey: "log_level", ConfigValue: "debug1" }],
    ["s3 restore primary label current /r", "s3 restore", { S3Prefix: "label", Position: "current", Directory: "/r" }],
    ["shutdown", "shutdown", {}],
  ];
  it.each(requests)("understands %s", (line, command, fields) => {
    expect(invoke(...line.split(" ")).invocation).toMatchObject({ command, fields, ignored: [] });
  });

  it("makes a path absolute, because the daemon works elsewhere", () => {
    expect(invoke("restore", "primary", "newest", "here").invocation.fields.Directory).toBe(`${process.cwd()}/here`);
  });

  it("takes options before and after the command", () => {
    const before = invoke("-c", "/c", "-F", "json", "-C", "gz", "-E", "aes", "-v", "ping").invocation.options;
    const after = invoke("ping", "--config", "/c", "--format=json", "--compress=gz", "--encrypt=aes", "--verbose")
      .invocation.options;
    expect(after).toEqual(before);
    expect(before).toMatchObject({ config: "/c", format: "json", compress: "gz", encrypt: "aes", verbose: true });
    expect(
      invoke("-h", "host", "-p", "5002", "-U", "admin", "-P", "x", "-L", "/l", "-D", "/d", "ping").invocation.options,
    ).toMatchObject({
      host: "host",
      port: "5002",
      user: "admin",
      password: "x",
      logfile: "/l",
      directory: "/d",
    });
  });

  it("names options that mean nothing for the command", () => {
    expect(invoke("--force", "--cascade", "-s", "asc", "ping").invocation.ignored).toEqual([
      "sort",
      "cascade",
      "force",
    ]);
  });

  it.each([
    ["backup", "backup <server> [parent]"],
    ["backup a b c", "backup <server> [parent]"],
    ["restore a b", "restore <server> <backup> [position] <directory>"],
    ["restore a b c d e", "restore <server> <backup> [position] <directory>"],
    ["ping now", "ping"],
    ["mode primary sideways", 'action must be online or offline, not "sideways"'],
    ["list-backup primary --sort up", '--sort must be asc or desc, not "up"'],
    ["list-backup primary --sort ascii", "--sort must be"],
  ])("refuses %s", (line, reason) => {
    expect(() => parse(...line.split(" "))).toThrow(
      expect.objectContaining({ code: "COMMAND_LINE_INVALID", message: expect.stringContaining(reason) as string }),
    );
  });

  it("refuses an empty argument", () => {
    expect(() => parse("backup", "")).toThrow("is empty");
  });

  it.each([["nonsense"], ["--nonsense", "ping"], ["conf"], ["conf", "nonsense"], ["-c"], []])(
    "ends with 2 and an explanation for: %s",
    (...words) => {
      const { choice, stdout, stderr } = parse(...words);
      expect(choice).toEqual({ kind: "end", status: 2 });
      expect(stdout).toBe("");
      expect(stderr).not.toBe("");
    },
  );

  it.each([["-V"], ["--version"], ["ping", "-V"]])("prints the version and ends with 0 for: %s", (...words) => {
    expect(parse(...words)).toMatchObject({ choice: { kind: "end", status: 0 }, stdout: "moneta-cli 1.2.3\n" });
  });

  it("lists every available command in its help, fits it into 80 columns, and ends with 0", () => {
    const { choice, stdout } = parse("-?");
    expect(choice).toEqual({ kind: "end", status: 0 });
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    for (const name of commandNames)
      expect(new RegExp(`^  ${name.split(" ")[0]} `, "m").test(stdout), name).toBe(commandTable[name].available);
  });

  it.each(commandNames)("explains %s with its arguments in 80 columns", (name) => {
    const { choice, stdout } = parse(...name.split(" "), "--help");
    expect(choice).toEqual({ kind: "end", status: 0 });
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    for (const argument of commandTable[name].arguments) expect(stdout).toContain(`  ${argument.name}`);
  });

  it("understands what a restored server calls", () => {
    const words = [
      "wal-get",
      "-D",
      "/etc/moneta",
      "primary",
      "000000010000000000000005",
      "pg_wal/RECOVERYXLOG",
      "--plan",
      "/r/plan",
    ];
    expect(parse(...words).choice).toEqual({
      kind: "wal-get",
      request: {
        server: "primary",
        file: "000000010000000000000005",
        destination: "pg_wal/RECOVERYXLOG",
        plan: "/r/plan",
      },
    });
  });
});

describe("names of compression and encryption", () => {
  it("are pgmoneta's, and the full ones", () => {
    expect(["none", "gz", "gzip", "zstd", "lz4", "bz2", "bzip2"].map(compressionNamed)).toEqual([
      "none",
      "gzip",
      "gzip",
      "zstd",
      "lz4",
      "bzip2",
      "bzip2",
    ]);
    expect(["none", "aes", "aes256", "aes192", "aes128", "aes-256-gcm"].map(encryptionNamed)).toEqual([
      "none",
      "aes-256-gcm",
      "aes-256-gcm",
      "aes-192-gcm",
      "aes-128-gcm",
      "aes-256-gcm",
    ]);
    for (const name of ["", "brotli", "toString", "__proto__"]) {
      expect(() => compressionNamed(name)).toThrow("must be one of");
      expect(() => encryptionNamed(name)).toThrow("must be one of");
    }
  });
});
