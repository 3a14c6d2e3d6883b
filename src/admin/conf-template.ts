/** What `conf init` writes: the keys without which nothing works, and those that people look for first. */

/** A key that is asked for. */
export interface Question {
  /** `server` stands for the section of the one server. */
  readonly section: "pgmoneta" | "server";
  readonly key: string;
  readonly question: string;
  readonly answer: string;
}

export const defaultServer = "primary";

export const questions: readonly Question[] = [
  { section: "pgmoneta", key: "host", question: "Address of metrics and remote management, * for all", answer: "localhost" },
  { section: "pgmoneta", key: "unix_socket_dir", question: "Directory of the management socket, which must exist", answer: "/run/pgmoneta" },
  { section: "pgmoneta", key: "base_dir", question: "Root of the repository", answer: "/var/lib/pgmoneta" },
  { section: "server", key: "host", question: "Address of the PostgreSQL server, or directory of its socket", answer: "localhost" },
  { section: "server", key: "port", question: "Its port", answer: "5432" },
  { section: "server", key: "user", question: "Role with REPLICATION", answer: "repl" },
  { section: "server", key: "wal_slot", question: "Replication slot", answer: "moneta" },
];

const answerOf = (section: Question["section"], key: string): string => questions.find((each) => each.section === section && each.key === key)?.answer ?? "";

/** The file with the answers that nobody had to give. */
export function template(server: string): string {
  const line = (section: Question["section"], key: string): string => `${key} = ${answerOf(section, key)}`;
  return `# Configuration of Moneta. Every key: pgmoneta.conf(5). What is in force: moneta-cli conf get.

[pgmoneta]
# The address of metrics and remote management; * stands for all addresses.
${line("pgmoneta", "host")}
# The directory of the management socket. It must exist.
${line("pgmoneta", "unix_socket_dir")}
# The root of the repository, made when it is missing.
${line("pgmoneta", "base_dir")}

# How backups and WAL are stored. Encryption needs moneta-admin master-key.
compression = zstd
#encryption = aes

# How long backups are kept: days[, weeks[, months[, years]]].
retention = 7

log_type = console
log_level = info

# One section for each PostgreSQL server; its name is the name in every command.
[${server}]
${line("server", "host")}
${line("server", "port")}
# Its password: moneta-admin -f pgmoneta_users.conf -U <user> user add
${line("server", "user")}
${line("server", "wal_slot")}
# Makes the slot where it is missing.
create_slot = on
`;
}
