/** Configurations to begin from: short ones, in which each key that there is has a value sooner or later. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { OptionTable } from "../../../src/config/option.ts";
import { mainTable, serverTable } from "../../../src/config/option-table.ts";
import type { Random } from "../engine/random.ts";

const small = `[pgmoneta]
host = *
base_dir = /srv/backup # here
compression = zstd
retention = 7, 4, 12, 5
log_line_prefix = '%Y-%m-%d # %H'
unix_socket_dir = /tmp/

[primary]
host=localhost
port = 5432
user = "repl"
wal_slot = moneta
`;

/** What must be there. */
const mainHead = "[pgmoneta]\nhost = *\nbase_dir = /srv/backup\nunix_socket_dir = /tmp/\n";
const serverHead = "[primary]\nhost = localhost\nport = 5432\nuser = repl\nwal_slot = moneta\n";

/** The file that is delivered: mostly comments, and much longer than the rest. */
export const deliveredFile = readFileSync(join(import.meta.dirname, "../../../etc/pgmoneta.conf"));

type Setting = readonly [key: string, value: string];

const [ofMain = "", ofServer = ""] = deliveredFile.toString("utf8").split(/^\[primary\]$/m);
/** What is commented out has the value that is shown; those without one are left out. */
const settingsIn = (text: string): Setting[] => [...text.matchAll(/^#([a-z0-9_]+) = (.+)$/gm)].map(([, key = "", value = ""]) => [key, value]);
const linesOf = (settings: Iterable<Setting>): string => [...settings].map(([key, value]) => `${key} = ${value}\n`).join("");

/** The settings of each subject of the delivered file, without what is said about them. */
const subjects = [
  ...ofMain.split(/^# ---- .* ----$/m).map((text) => `${mainHead}${linesOf(settingsIn(text))}${serverHead}`),
  `${mainHead}${serverHead}${linesOf(settingsIn(ofServer))}`,
];

export const configurationCorpus: readonly Buffer[] = [small, ...subjects].map((text) => Buffer.from(text));

/** Something for each kind of value. */
const values: readonly [string, ...string[]] = [
  "on", "off", "0", "1", "10m", "1TB", "256k", "-1", "1.5", "/srv/x", "$HOME/x", "'$HOME'", "${X}", "UTC", "Europe/Berlin", "0 3 * * *", "@daily", "*/5 1-4 * * mon", "08:00-18:00",
  "mon-fri 08:00-18:00, sat 00:00-24:00", "none", "all", "a@example.org", "a@example.org, b@example.org", "https://example.org/x", "example.org:25", "file:/x", "env:X", "7, 4, 12", "1, 5, 3", "1, 2, 13, 4", "1, 2, 3, 4, 5", "-, 4", "window:3d", "count:4",
  "primary", "replica", "verify-full", "disable", "zstd", "server-lz4", "client-bz2", "aes-192", "sha512", "local, s3", "15:/opt/pg/bin", "/srv/a, /srv/b", "16384:/srv/a", "debug5", "syslog", "'it''s'", "\"a b\"", "search", "%Y %m",
];

const choices = (table: OptionTable, text: string) => ({ keys: Object.keys(table), shown: settingsIn(text) });
const choicesOf = { main: choices(mainTable, ofMain), server: choices(serverTable, ofServer) };

/** Some keys, each once: most with the value that is shown, the others with one of any kind. */
function someLines(section: keyof typeof choicesOf, random: Random): string {
  const { keys, shown } = choicesOf[section];
  const settings = Array.from({ length: random.below(6) }, (): Setting => {
    const known = random.once(3) ? undefined : shown[random.below(shown.length)];
    return known ?? [keys[random.below(keys.length)] ?? "", random.pick(values)];
  });
  return linesOf(new Map(settings));
}

/** A configuration with one or two servers. */
export function configurationOf(random: Random): Buffer {
  const second = `[replica]\nhost = localhost\nport = ${5432 + random.below(2)}\nuser = repl\nwal_slot = other\nfollow = ${random.pick(["primary", "replica", "other"])}\n`;
  const servers = `${serverHead}${someLines("server", random)}${random.once(4) ? second + someLines("server", random) : ""}`;
  return Buffer.from(`${mainHead}${someLines("main", random)}${servers}`);
}
