/** doc/man/moneta.1. */
import { createDaemonProgram } from "../../src/supervisor/index.ts";
import { roffMarked, roffText } from "./roff.ts";

const entry = (term: string, text: string): string[] => [".TP", `\\fB${roffText(term)}\\fP`, roffMarked(text)];

/** What the one line of an option cannot say. */
const more: Readonly<Record<string, string>> = {
  "--config": "Without it `pgmoneta.conf` in the directory of `-D`, else in /etc/pgmoneta.",
  "--users": "Without it `pgmoneta_users.conf` in the same places; it may be absent.",
  "--admins": "Without it `pgmoneta_admins.conf` in the same places; it may be absent.",
  "--daemon": "The command returns when the daemon answers, with status 0, or with the reason why it does not.",
};

/** The text of the manual page. */
export function daemonPage(): string {
  const program = createDaemonProgram("");
  const options = program.options.map(({ flags, long, description }) => [
    flags,
    [`${description}.`, more[long ?? ""]].filter((text) => text !== undefined).join(" "),
  ]);
  const lines = [
    `.TH MONETA 1 "" "Moneta" "Moneta manual"`,
    ".SH NAME",
    "moneta \\- backup and WAL archiving for PostgreSQL: the daemon",
    ".SH SYNOPSIS",
    "\\fBmoneta\\fP [\\fB\\-c\\fP file] [\\fB\\-u\\fP file] [\\fB\\-A\\fP file] [\\fB\\-D\\fP directory] [\\fB\\-d\\fP]",
    ".SH DESCRIPTION",
    roffMarked(
      "Receives the WAL of every configured server, runs the backups, restores and deletions that are asked for through moneta-cli(1), and archives finished WAL segments. It refuses to run as root. One daemon owns a `base_dir` at a time; a second one ends at once and names the pid of the owner. doc/manual/service.md tells how to run it, doc/manual/operation.md what it does.",
    ),
    ".SH OPTIONS",
    ...options.flatMap(([flags = "", text = ""]) => entry(flags, text)),
    ...entry("-?, --help", "show the help."),
    ".SH SIGNALS",
    ...entry(
      "TERM, INT, ALRM",
      "The first one stops in order: no new requests and jobs; waiting jobs, backups, restores and archiving are cancelled; a deletion that runs is waited for; receivers sync, report and say goodbye. The second one ends all processes at once.",
    ),
    ...entry("HUP", "opens the log again, and reads the configuration again: all of it is put in force, or nothing. The log has the outcome."),
    ...entry("QUIT, ABRT, KILL", "end it on the spot, and its processes within a second, receivers after their last sync. The PID file stays, and the next start replaces it."),
    ...entry("USR1, USR2, PIPE", "are ignored."),
    ".PP",
    "The processes of receivers and jobs ignore TERM, INT and HUP: they end when the daemon tells them to, and within a second when it is gone.",
    ".SH EXIT STATUS",
    ...entry("0", "after an orderly end, or when the daemon in the background is ready."),
    ...entry("1", "when the end was forced, or when it failed."),
    ...entry("12", "when another daemon owns the repository or the socket, or a port is taken."),
    ...entry("78", "when the command line or the configuration is wrong, or it was started as root: another attempt would end in the same way."),
    ...entry("any other", "belongs to the error that is printed; doc/ERRORS.md lists them."),
    ".SH ENVIRONMENT",
    ...entry("PGMONETA_CONFIG_DIR", "the directory of the configuration files, when `-D` is not given."),
    ...entry("NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID", "where a service manager hears when the daemon is ready, reloads, stops, and that it lives, as sd_notify(3) has it. No child gets them."),
    ...entry("JOURNAL_STREAM", "whether standard output is the journal of systemd: each line begins with its severity then."),
    ".SH FILES",
    ...entry("<unix_socket_dir>/.s.pgmoneta", "the management socket, mode 0660 at most."),
    ...entry(
      "<unix_socket_dir>/pgmoneta.<host>.pid",
      "the PID file, for people and service managers. It protects nothing: one that is left behind is replaced.",
    ),
    ...entry(
      "<base_dir>/.moneta.lock",
      "the lock of the owner. It is held by the daemon and its processes and ends with the last of them, however they end.",
    ),
    ...entry(
      "<base_dir>/<server>/offline",
      "is there while the server is out of service (`moneta-cli mode <server> offline`).",
    ),
    ".SH SEE ALSO",
    "\\fBmoneta\\-cli\\fP(1), \\fBmoneta\\-admin\\fP(1), \\fBpgmoneta.conf\\fP(5)",
  ];
  return `${lines.join("\n")}\n`;
}
