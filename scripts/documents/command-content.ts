/** The parts of the manual of moneta-cli that the chapter and the manual page both have. */
import { usageOf } from "../../src/cli/index.ts";
import { commandNames, commandTable, type CommandName, type CommandSpec } from "../../src/management/index.ts";
import { commandNotes, statusesOf, type CommandNotes } from "./command-notes.ts";

export interface DescribedCommand {
  readonly name: CommandName;
  readonly spec: CommandSpec;
  /** `backup <server> [parent]`, with its own options. */
  readonly usage: string;
  readonly notes: CommandNotes;
  readonly statuses: ReturnType<typeof statusesOf>;
}

function describe(name: CommandName): DescribedCommand {
  const spec: CommandSpec = commandTable[name];
  const notes = commandNotes[name];
  if (notes === undefined) throw new Error(`scripts/documents/command-notes.ts has nothing on ${name}`);
  const flags = spec.flags
    .map((flag) => ` [--${flag.name}${flag.value === undefined ? "" : ` <${flag.value}>`}]`)
    .join("");
  const usage = usageOf(spec).replace(spec.name, `${spec.name}${flags}`);
  return { name, spec, usage, notes, statuses: statusesOf(notes.errors) };
}

/** The commands that can be used, in the order of the table. */
export const availableCommands = commandNames.filter((name) => commandTable[name].available).map(describe);

/** Those that are known and refused. */
export const laterCommands = commandNames.filter((name) => !commandTable[name].available);

/** Paragraphs with `code` between backquotes. */
export const synopsis: readonly string[] = [
  "`moneta-cli` asks the daemon of this machine through the management socket, or another one by remote management (doc/manual/remote.md). It refuses to run as root: run it as the account of the daemon.",
  "The exit status is 0 only if everything that was asked for is done. Results go to standard output, failures and progress to standard error. On a terminal a running job shows a bar; elsewhere a line when its phase changes and every half minute.",
  "`--format json` and `raw` print one document with `Header`, `Request`, `Outcome` and `Response`: raw as it came, json with sizes and codes put into words. doc/PROTOCOL.md describes them. A failure is a document too, with `Status` false, `Code`, `Message` and `Hint`.",
];

export const connection: readonly string[] = [
  "The configuration of `moneta-cli` is the file of `-c`, else `pgmoneta_cli.conf` in the directory of `-D` or of the environment variable `PGMONETA_CONFIG_DIR`, else `/etc/pgmoneta/pgmoneta_cli.conf`. Its keys are in pgmoneta.conf(5). `unix_socket_dir` comes from there, else from `pgmoneta.conf`.",
  "With host and port, on the command line or in that file, remote management is asked. The password comes from `-P`, the environment variable `PGMONETA_PASSWORD`, the pass file, or a question; TLS is required unless the host is this machine. doc/manual/remote.md has more.",
  "Messages are compressed with zstd and, when `~/.pgmoneta/master.key` is there, encrypted with AES-256-GCM, if there is no client configuration; with one they are what it says, by default neither. In TLS they are not encrypted once more unless that is asked for.",
];

export const offline: readonly string[] = [
  "`list-backup`, `info`, `restore`, `archive`, `verify`, `retention --dry-run` and `diagnose` work with `--offline` when there is no daemon: from `pgmoneta.conf`, the repository and the master key alone. The account must be able to read the repository.",
];

export const walGet: readonly string[] = [
  "`moneta-cli wal-get` is the restore_command of a restored server. It is not for people: the restore writes the whole line. It ends with 0 when the file was delivered, with 100 when there can be no more WAL (which that line translates into the 1 that PostgreSQL expects), and with 126 for everything else, at which PostgreSQL stops recovery. doc/manual/restore.md says what to do then.",
];

export const walPush: readonly string[] = [
  "`moneta-cli wal-push [-D <directory>] [server] <file>` is an archive_command: it takes one file of `pg_wal`, named by `%p`, into the repository, beside the stream or instead of it. With `--stdin` the file is its name, `%f`, and the content comes from standard input: so the shell of PostgreSQL reads the file and another account, or through ssh another machine, takes it. The server may be left out where the configuration has one only.",
  "It needs no daemon, but the repository must have been made by one. It ends with 0 only when the file is durable in the repository in its final form, or was before with the same content; with 71 when another content is stored, which stays as it is, and is shown by `status`; with another status up to 125 for everything else. PostgreSQL keeps the file then, and tries again. doc/manual/operation.md has more.",
];

/** As test/system/wal-push.test.ts has PostgreSQL call it. */
export const walPushExamples: readonly { readonly text: string; readonly line: string }[] = [
  { text: "In `postgresql.conf`, where the server and the repository are on one machine and of one account:", line: "archive_command = 'moneta-cli wal-push primary %p'" },
  { text: "From another machine:", line: "archive_command = 'ssh moneta@backup moneta-cli wal-push --stdin primary %f < %p'" },
];

/** What a status means, whichever the command. */
export const generalStatuses: readonly (readonly [status: string, meaning: string])[] = [
  ["0", "done"],
  ["2", "wrong use"],
  ["3", "the daemon was not reached, or was lost, so that the outcome is unknown"],
  ["4", "protocol or key"],
  ["5", "no such server or job"],
  ["6", "not in this state"],
  ["11", "not available yet"],
  ["12", "the daemon is stopping"],
  ["15", "not allowed for this login, or the login refused"],
  ["20", "cancelled"],
  ["30", "no space"],
  ["40", "no such backup"],
  ["130", "interrupted"],
  ["any other", "failed; doc/ERRORS.md has the status of each error"],
];
