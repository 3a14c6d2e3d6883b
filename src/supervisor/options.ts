/** The command line of the daemon: pgmoneta's options. */
import { Command } from "@commander-js/extra-typings";

export type DaemonOptions = ReturnType<ReturnType<typeof createProgram>["opts"]>;

/** The parser; `--help` and `--version` print and end with status 0, a command line that is wrong with 1. */
export function createProgram(version: string) {
  return new Command()
    .name("moneta")
    .description("Backup and WAL archiving for PostgreSQL: the daemon.")
    .helpOption("-?, --help", "show this help")
    .version(`moneta ${version}`, "-V, --version", "show the version")
    .option("-c, --config <file>", "the main configuration file")
    .option("-u, --users <file>", "the users file: logins of PostgreSQL servers")
    .option("-A, --admins <file>", "the admins file: logins of remote management")
    .option("-D, --directory <directory>", "the directory of the configuration files (or PGMONETA_CONFIG_DIR)")
    .option("-d, --daemon", "run in the background; needs log_type other than console", false)
    .allowExcessArguments(false)
    .exitOverride();
}
