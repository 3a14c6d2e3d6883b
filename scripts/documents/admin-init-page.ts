/** doc/man/moneta-admin-init.1, its options from the parser of the command line. */
import { adminErrors } from "../../src/admin/errors.ts";
import { createProgram } from "../../src/admin/index.ts";
import { roffMarked, roffText } from "./roff.ts";

const entry = (term: string, text: string): string[] => [".TP", `\\fB${roffText(term)}\\fP`, roffMarked(text)];
const paragraphs = (texts: readonly string[]): string[] => texts.flatMap((text) => [".PP", roffMarked(text)]);

/** What it does, step by step; code between backquotes. */
export const initDescription: readonly string[] = [
  "Asks for the address of a PostgreSQL server and leads from there to a backup that is known to restore. It runs as the account of the daemon, on its machine. Every step finds what is there already, keeps it and goes on; so a run that ended early is simply repeated. What is there is never written over.",
  "`1. The server.` It connects as the superuser that it is given, or as another role that may create roles, and tells what it finds: version, wal_level, max_wal_senders, free replication slots, TLS, data checksums, size, tablespaces, room for the repository. What stands in the way is told with the statement that puts it right, and nothing is begun. No setting and no file of the server is ever changed.",
  "`2. The role.` It makes the directories, the master key, and a password that nobody has to know, which is stored in the users file, encrypted. Then it shows the statements for the role and runs them, if it may: CREATE ROLE with LOGIN and REPLICATION, and the right to see where the server keeps its files (pg_read_all_settings). The server gets the password as PostgreSQL stores it (SCRAM-SHA-256), so that it is in no log. A role that exists keeps its password, which has to be told (a question, or `--role-password-file`), or gets a new one with `--reset-password`. At last the role is tried: a replication connection and the questions of the daemon. When pg_hba.conf does not let it in the lines for it are printed.",
  "`3. The configuration.` It writes pgmoneta.conf, or adds a section to the one that is there, in which everything else stays as it is, comments too.",
  "`4. The daemon.` It starts the daemon in the background; where the unit moneta.service is installed it prints the command of systemctl in its place. A daemon that runs reads its configuration again. It waits until the WAL of the server is streamed; the replication slot is made by the daemon.",
  "`5. The first backup.` It takes a backup, unless a valid one is there, and proves it: by a drill, in which PostgreSQL runs on what was restored and every table is looked at, where the programs of that major are on this machine; else by reading every stored byte back, and then it says that this is all that is known.",
  "At the end it tells where everything is, to which moments the server can be restored and by which commands, when backups are taken and how long they are kept, and what `moneta-cli check` still complains of. With `-F json` this is a document on standard output, and the rest goes to standard error.",
  "Without a terminal: `--yes` asks nothing. What is not given has the default that the question would have shown, and what is missing is made. It does not consent to a new password for a role that exists.",
  "With `-U -` or `--no-administrator` no statement is run: those for the role are printed, for somebody who may run them, and the same command goes on when that was done. That is the way for a superuser who logs in elsewhere.",
];

/** What the errors of `init` end with. */
const statuses = (["initConflict", "placeUnusable", "serverUnfit", "declined", "roleUnusable", "daemonNotStarted", "foreignDaemon", "notStreaming", "notProven", "initInterrupted"] as const).map(
  (name) => adminErrors[name].spec,
);

/** The text of the manual page. */
export function adminInitPage(): string {
  const program = createProgram(() => undefined);
  const init = program.commands.find((command) => command.name() === "init");
  const shared = program.options.filter(({ long }) => ["--user", "--password", "--master-key", "--directory", "--format"].includes(long ?? ""));
  const lines = [
    `.TH MONETA\\-ADMIN\\-INIT 1 "" "Moneta" "Moneta manual"`,
    ".SH NAME",
    "moneta\\-admin\\-init \\- from the address of a PostgreSQL server to a proven backup",
    ".SH SYNOPSIS",
    "\\fBmoneta\\-admin\\fP [\\fB\\-D\\fP directory] [\\fB\\-U\\fP user] \\fBinit\\fP [options]",
    ".SH DESCRIPTION",
    ...paragraphs(initDescription),
    ".SH OPTIONS",
    ...(init?.options ?? []).flatMap((option) => entry(option.flags, `${option.description}.`)),
    ...shared.flatMap((option) => entry(option.flags, `${option.description}.`)),
    ".SH ENVIRONMENT",
    ...entry("PGMONETA_PASSWORD, PGPASSWORD", "the password of the superuser, used in this run and stored nowhere. Without them it comes from the pass file, else it is asked for."),
    ...entry("PGPASSFILE", "the pass file, in place of ~/.pgpass."),
    ...entry("PGMONETA_CONFIG_DIR", "the directory of the configuration, when `-D` is not given; without it /etc/pgmoneta."),
    ".SH EXIT STATUS",
    ...entry("0", "when all of it is done: as far as `--no-start` or `--no-backup` let it go."),
    ...statuses.flatMap(({ code, exit, hint }) => entry(String(exit), `${code}. ${hint}`)),
    ...entry("any other", "belongs to the error that is printed, a wrong password of the superuser for instance; moneta-errors(7) lists them."),
    ".SH EXAMPLES",
    ".nf",
    ...[
      "moneta-admin init",
      "PGMONETA_PASSWORD=… moneta-admin init --host db1.example.org --repository /srv/moneta --yes",
      "moneta-admin -U - init --host db1.example.org --yes",
      "moneta-admin init --host db2.example.org --server-name second --slot moneta_second",
    ].map((line) => `  ${roffText(line)}`),
    ".fi",
    ".SH SEE ALSO",
    "\\fBmoneta\\-admin\\fP(1), \\fBmoneta\\fP(1), \\fBmoneta\\-cli\\fP(1), \\fBpgmoneta.conf\\fP(5)",
  ];
  return `${lines.join("\n")}\n`;
}
