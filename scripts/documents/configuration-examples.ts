/** The end of the afternoon: the configuration of the running daemon is looked at and changed, and the daemon stopped. */
import type { Example } from "./example.ts";

export const configurationExamples: readonly Example[] = [
  {
    command: "conf ls",
    text: "Where the configuration lies:",
    line: "conf ls",
    prints: [
      "main    /etc/pgmoneta/pgmoneta.conf",
      "users   /etc/pgmoneta/pgmoneta_users.conf",
      "admins  not there",
    ],
  },
  {
    command: "conf get",
    text: "A key, as it is in force:",
    line: "conf get workers",
    prints: ["0"],
  },
  {
    command: "conf get",
    text: "Or all of them:",
    line: "conf get",
    prints: ["[pgmoneta]", "authentication_timeout = 5s", "…", "host = localhost", "…", "[primary]", "…", "retention = 7, 4", "…"],
  },
  {
    command: "conf get",
    text: "A key of a server that is not set there is as in the main section:",
    line: "conf get server.primary.retention",
    prints: ["7, 4"],
  },
  {
    command: "conf set",
    text: "More workers, until the next reload or restart:",
    line: "conf set workers 4",
    prints: ["workers: 0 → 4", "In force until the next reload or restart: it is not in the file (--save)."],
  },
  {
    command: "conf set",
    text: "A rate for the backups of one server, and for good:",
    line: "conf set --save server.primary.max_rate 50000000",
    prints: ["server.primary.max_rate: 0 → 50000000", "In force and in /etc/pgmoneta/pgmoneta.conf."],
  },
  {
    command: "conf set",
    text: "What the file would not take is not taken here:",
    line: "conf set server.primary.max_rate fast",
    exit: 6,
    prints: [
      "moneta-cli: conf set failed: max_rate: expected a whole number of bytes per second, or 0 for no limit, found \"fast\"",
      "  fix:  Nothing was changed. The message says what the value must be;",
      "        pgmoneta.conf(5) says more.",
      "  code: CONFIGURATION_REFUSED, error 2707",
    ],
  },
  {
    command: "conf reload",
    text: "As the file has it:",
    line: "conf reload",
    prints: ["The configuration was read again and is in force.", "  workers: 4 → 0"],
  },
  {
    command: "clear prometheus",
    text: "After the trouble of the night has been looked at:",
    line: "clear prometheus",
    prints: ["The metrics count the lines of the log from 0 again."],
  },
  {
    command: "shutdown",
    text: "The end of the day:",
    line: "shutdown",
    prints: ["The daemon is stopping."],
  },
];
