/** What operators write: configuration, users, pass files, the command line, positions to recover to. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseCommandLine } from "../../../src/cli/program.ts";
import { compileMain, mainOptionsOf, serverOptionsOf } from "../../../src/config/compile-main.ts";
import { loadCliConfiguration, parseIni } from "../../../src/config/index.ts";
import { sealMessage } from "../../../src/encryption/index.ts";
import { commandNames } from "../../../src/management/index.ts";
import { lsn } from "../../../src/postgres/index.ts";
import { readPassFile } from "../../../src/replication/index.ts";
import { parsePosition } from "../../../src/restore/index.ts";
import { formatInstant, instantOf, parseTargetTime } from "../../../src/restore/target-time.ts";
import { decryptUsers, openUsersFile, userNames } from "../../../src/vault/index.ts";
import { mustEqual, mustHold, type FuzzTarget } from "../engine/target.ts";
import { configurationCorpus, configurationOf, deliveredFile } from "./configuration-samples.ts";
import { createMasterKeySample } from "./keys.ts";
import { openScratch } from "./scratch.ts";

const context = { file: "/etc/pgmoneta/pgmoneta.conf", environment: { HOME: "/home/moneta", X: "x" }, homeDirectory: "/home/moneta", userId: 1000, tolerateRefused: false };

export const configurationTarget: FuzzTarget = {
  name: "configuration",
  open: () => ({
    corpus: configurationCorpus,
    large: [deliveredFile],
    generate: configurationOf,
    words: ["[primary]\n", "[pgmoneta]\n", "retention = ", "compression_level = ", "1TB", "10m", "$HOME", "${X}", "workers = ", "'", "\"", " # ", "encryption = aes256\n", "x".repeat(201)],
    run(input) {
      const text = input.toString("utf8");
      const { document, main, servers, problems } = compileMain(text, context);
      mustHold(document.lines.length >= 1, "there is at least one line");
      for (const entry of document.sections.flatMap(({ entries }) => entries)) {
        const written = (document.lines[entry.line - 1] ?? "").slice(entry.from, entry.to);
        mustEqual(entry.quote === undefined ? written : written.slice(1, -1), entry.value, "a value lies where its position says");
      }
      parseIni("file", text, { sectionsMatter: false });
      if (main === undefined) return "no main section";
      mainOptionsOf(main);
      servers.map(serverOptionsOf);
      return problems.length > 0 ? "problems" : undefined;
    },
  }),
};

export const clientConfigurationTarget: FuzzTarget = {
  name: "client-configuration",
  cost: 4,
  open() {
    const scratch = openScratch();
    const main = join(scratch.path, "pgmoneta_cli.conf");
    return {
      corpus: [Buffer.from("[pgmoneta-cli]\nunix_socket_dir = /tmp/\noutput = json\nlog_type=console\ncompression = zstd\n")],
      words: ["Output = ", "log_level = ", "[x]\n", "encryption = "],
      run(input) {
        writeFileSync(main, input);
        loadCliConfiguration({ main, environment: {} });
        return undefined;
      },
      close: () => {
        scratch.remove();
      },
    };
  },
};

export const usersTarget: FuzzTarget = {
  name: "users-file",
  cost: 4,
  open() {
    const scratch = openScratch();
    const path = join(scratch.path, "users.conf");
    const masterKey = createMasterKeySample();
    const line = (name: string, password: string | Buffer): string => `${name}:${sealMessage(masterKey, "aes-256-gcm", Buffer.from(password as string)).toString("base64")}\n`;
    writeFileSync(path, "", { mode: 0o600 });
    return {
      corpus: [Buffer.from(line("repl", "secret")), Buffer.from(`# users\n${line("a", "")}\n; more\n${line("b\u00e4", "p:\u{1f600}")}`)],
      words: [line("repl", "x"), line("z", Buffer.from([0xff, 0xfe])), ":", "\r\n", "#"],
      async run(input) {
        writeFileSync(path, input);
        const file = await openUsersFile(path);
        const names = userNames(file);
        mustEqual(new Set(names).size, names.length, "each name is there once");
        mustEqual([...decryptUsers(file, masterKey).keys()], names, "each name has a password");
        return undefined;
      },
      close: () => {
        scratch.remove();
      },
    };
  },
};

export const passFileTarget: FuzzTarget = {
  name: "pass-file",
  cost: 4,
  open() {
    const scratch = openScratch();
    const path = join(scratch.path, "pgpass");
    writeFileSync(path, "", { mode: 0o600 });
    return {
      corpus: [Buffer.from("# comment\nlocalhost:5432:replication:repl:secret\n*:*:*:*:pa\\:ss\\\\word\n"), Buffer.from("/tmp:5432:*:repl:x\r\n")],
      words: ["*", "\\:", "\\\\", "localhost:5432:replication:repl:"],
      async run(input) {
        writeFileSync(path, input);
        const found = await readPassFile(path, "localhost", 5432, "replication", "repl");
        mustHold(found !== "", "an empty password is none");
        return found === undefined ? "no line fits" : undefined;
      },
      close: () => {
        scratch.remove();
      },
    };
  },
};

const zones = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC", "Nowhere/Else", "", undefined] as const;

export const positionTarget: FuzzTarget = {
  name: "recovery-position",
  open: () => ({
    corpus: [
      "current", "immediate", "name=before upgrade,action=promote", "xid=733,inclusive=off", "lsn=16/B374D848,timeline=2", "time=2026-11-20 09:00:00.25+01",
      "time='2026-03-29 02:30:00 Europe/Berlin',replica", "time=2026-11-01T01:30:00 America/New_York", "name='it''s, here',timeline=0x0B,primary", "time=1970-01-01 00:00Z",
    ].map((text) => Buffer.from(text)),
    words: ["time=", "lsn=", "xid=", "name=", "timeline=latest", "action=shutdown", "inclusive=", ",", "'", "Europe/Lisbon", "+15:59:59", "9999-12-31 23:59:59.999999"],
    run(input, random) {
      const position = parsePosition(input.toString("utf8"));
      const { target } = position;
      if (target?.kind === "lsn") lsn(target.lsn);
      if (target?.kind === "time") {
        const instant = instantOf(target.time, zones[random.below(zones.length)]);
        const again = instantOf(parseTargetTime(formatInstant(instant)), undefined);
        mustEqual(again, instant, "an instant is read as it is written");
      }
      return undefined;
    },
  }),
};

const wordsOfCommands = [...new Set(commandNames.flatMap((name) => name.split(" ")))];

export const commandLineTarget: FuzzTarget = {
  name: "command-line",
  cost: 8,
  open: () => ({
    corpus: [
      "backup\nprimary", "restore\nprimary\nnewest\nname=x\n/tmp/r", "-c\nfile\nstatus\ndetails", "--format=json\nlist-backup\nprimary\n--sort\ndesc", "wal-get\nprimary\n000000010000000000000001\n/p\n--plan\nf",
      "delete\nprimary\noldest\n--force", "-?", "--version", "conf\nset\nkey\nvalue", "-C\ngz\n-E\naes256\nping",
    ].map((text) => Buffer.from(text)),
    words: [...wordsOfCommands.map((word) => `\n${word}\n`), "\n--", "\n-", "--dry-run\n", "--offline\n", "=", "--no-", "\n--help\n", "-D\n"],
    run(input) {
      const words = input.toString("utf8").replaceAll("\0", "").split("\n");
      const ignore = (): void => undefined;
      const choice = parseCommandLine(words, "1.0.0", { stdout: ignore, stderr: ignore, columns: 80 });
      mustHold(choice.kind !== "end" || choice.status === 0 || choice.status === 2, "a mistake ends with status 2");
      return choice.kind === "end" ? `status ${choice.status}` : undefined;
    },
  }),
};
