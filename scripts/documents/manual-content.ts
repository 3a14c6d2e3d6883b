/** The parts of the manual of the configuration that no table holds; the chapter and the manual page both have them. */
import { clientTable, mainGroups, serverTable, type OptionGroup } from "../../src/config/index.ts";

/** Text with `code` between backquotes. */
export interface Section {
  readonly title: string;
  readonly paragraphs: readonly string[];
}

export const summary = "configuration of Moneta, a backup and WAL archiving server for PostgreSQL";

export const introduction: readonly Section[] = [
  {
    title: "Files",
    paragraphs: [
      "`pgmoneta.conf` has the section `[pgmoneta]` and one section for each PostgreSQL server. `pgmoneta_users.conf` has the passwords of PostgreSQL logins and `pgmoneta_admins.conf` those of remote management; both are kept with moneta-admin. `pgmoneta_cli.conf` has the defaults of moneta-cli.",
      "A file is looked for where `-c`, `-u` or `-A` says, else in the directory of `-D` or of the environment variable `PGMONETA_CONFIG_DIR`, else in `/etc/pgmoneta`. A file that is named must exist. `pgmoneta.conf` must be found; the others may be absent.",
      "The master key is `~/.pgmoneta/master.key`, mode 0600 in a directory of mode 0700. It is needed for encryption and for files with passwords.",
    ],
  },
  {
    title: "Syntax",
    paragraphs: [
      "A line is `[section]`, `key = value`, empty, or a comment. `#` and `;` begin a comment at the start of a line, and after white space outside quotes. A value may stand in double or single quotes. Lines may have any length. The text is UTF-8.",
      "Everything that is wrong is reported in one go, each with file, line, key and what was expected, and then nothing is started: an unknown key, a value out of range, a section or key that comes twice, a required key that is missing.",
      "A key whose feature is not part of this version is reported when it is set; where going on would protect less than the key asks for, the start is refused.",
      "A daemon reads its files again for `SIGHUP` and for `moneta-cli conf reload`. The class of a key says what a change needs: `reload`, or `restart`, where the old value stays in force until then and the answer says so; `none` where nothing depends on the value. All files are valid and every part of the daemon can follow, or nothing changes. `moneta-cli conf set` changes one key, `moneta-admin conf set` one key of a file.",
      "The name of a server becomes a directory: it has no `/` and no white space and does not begin with `.` or `-`. `all` and `pgmoneta` are reserved.",
    ],
  },
  {
    title: "Values",
    paragraphs: [
      "bool: `on`, `true`, `yes`, `1`; `off`, `false`, `no`, `0`.",
      "duration: a whole number of seconds, or one followed by `s`, `m`, `h`, `d` or `w`.",
      "bytes: a whole number of bytes, or one followed by `B`, `K`, `KB`, `M`, `MB`, `G` or `GB`, powers of 1024.",
      "Secrets, where a key is one: the text itself; `file:` with the absolute path of a file that holds it, mode 0600, at most 0640 of root; or `env:` with the name of a variable of the daemon's environment. They are read again with every reload, and are never shown or logged.",
      "path: a relative one begins in the directory in which the program is started. Where a key says so, `$NAME` and `${NAME}` are replaced from the environment, except in single quotes; a variable that is not set is an error.",
    ],
  },
];

/** Every group of keys of the two files, in the order of the documents. */
export const groups: readonly (OptionGroup & { readonly heading: string; readonly explanation: string })[] = [
  ...mainGroups.map((group) => ({ ...group, heading: `[pgmoneta]: ${group.title}`, explanation: "" })),
  {
    title: "Server",
    options: serverTable,
    heading: "Section of a server",
    explanation:
      "Each other section is a PostgreSQL server. A key that is also in `[pgmoneta]` is taken from there when it is not set here.",
  },
  {
    title: "moneta-cli",
    options: clientTable,
    heading: "pgmoneta_cli.conf",
    explanation: "The names of sections do not matter in this file.",
  },
];
