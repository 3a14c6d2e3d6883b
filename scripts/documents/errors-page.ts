/** doc/ERRORS.md. */
import type { ErrorSpec } from "../../src/common/index.ts";
import {
  classifiedCodes,
  commandNames,
  commandTable,
  failureKind,
  wireErrorNumber,
} from "../../src/management/index.ts";
import type { CommandName } from "../../src/management/index.ts";
import { errorCatalogue } from "./error-catalogue.ts";
import { table } from "./markdown.ts";

/** What a folder's errors are about, in the order of the page. */
const titles: Readonly<Record<string, string>> = {
  cli: "The command line",
  management: "Requests to the daemon",
  http: "Metrics and health",
  receiver: "The receiver of WAL",
  supervisor: "The daemon and its processes",
  config: "Configuration",
  vault: "Master key, users and admins",
  admin: "moneta-admin",
  keys: "Rotation of keys",
  replication: "Connection to PostgreSQL",
  auth: "Authentication and TLS",
  wal: "Receiving and archiving WAL",
  backup: "Backup",
  restore: "Restore and recovery",
  verify: "Verification",
  retention: "Retention",
  archive: "Archives of backups",
  convert: "Conversions of files",
  drill: "Drills",
  job: "Jobs",
  hooks: "Hooks",
  diagnose: "Support bundles",
  notify: "Notifications",
  repository: "Repository",
  storage: "Files and disks",
  pipeline: "Stored files",
  compression: "Compression",
  encryption: "Encryption",
  tar: "Archives that a server sends",
  postgres: "Values and files of PostgreSQL",
  log: "Log",
  ipc: "Messages between processes",
  state: "State segment",
  common: "Everywhere",
};

const introduction = `# Errors

Every error of Moneta, with what to do about it. The code is stable: scripts and alarms may rely on it. \`moneta-cli\` prints
message, what to do, and code; \`--format json\` and \`raw\` have them as \`Message\`, \`Hint\` and \`Code\` of \`Outcome\`, with the
exit status and whether the error is retryable. The log of the daemon has the code as well.

*Retryable* means that the same attempt may succeed later without anybody changing anything. The message, which is not
listed here, names the file, position or server.

This page is made from the tables in \`src/*/errors.ts\` by \`npm run generate:documents\`.`;

const statuses = `## Exit statuses

0 means that everything that was asked for is done, and nothing else does. An exit status says which kind of failure it was;
several errors can share one, the code is exact. Statuses from 126 on belong to \`restore_command\` (\`moneta-cli wal-get\`):
PostgreSQL takes 1 to 125 for the end of the archive and opens the server, and stops recovery from 126 on. So \`wal-get\`
ends with 0, with 100 where there can be no more WAL (the line in \`postgresql.auto.conf\` makes that the 1 for PostgreSQL),
and with 126 for every failure, whatever status is listed for it here. A process that a signal ended has 128 and the number of the signal.
The daemon (\`moneta\`) ends with 78 where \`CONFIGURATION_INVALID\`, \`CONFIGURATION_UNREADABLE\`, \`CONFIGURATION_NOT_FOUND\`, \`ROOT_REFUSED\`
or its command line keeps it from starting, whatever status is listed for them here: a service manager need not try again.`;

const available = commandNames.filter((name) => commandTable[name].available);

/** The number of an error that pgmoneta has no word for. */
const generalNumber = (name: CommandName): number => wireErrorNumber(name, { code: "" });

const numbers = `## pgmoneta's error numbers

Clients of pgmoneta read a number in \`Error\` of \`Outcome\`. The errors of this table have a number of their own there, by
command. Any other error has the general number of its command, and \`Code\` beside it says which it is.
[PROTOCOL.md](PROTOCOL.md#error-numbers) has pgmoneta's names for the numbers.

General numbers: ${available.map((name) => `${name} ${generalNumber(name)}`).join(", ")}.`;

function errorTable(errors: readonly ErrorSpec[]): string[] {
  return table(
    ["Code", "Exit", "Retryable", "What to do"],
    errors.map(({ code, exit, retryable, hint }) => [`\`${code}\``, String(exit), retryable ? "yes" : "no", hint]),
  );
}

function statusTable(): string[] {
  const codes = new Map<number, string[]>();
  for (const { exit, code } of errorCatalogue.flatMap(({ errors }) => errors))
    codes.set(exit, [...(codes.get(exit) ?? []), code]);
  const rows = [...codes].toSorted(([one], [other]) => one - other);
  return table(
    ["Exit", "Errors"],
    rows.map(([exit, names]) => [String(exit), names.map((code) => `\`${code}\``).join(", ")]),
  );
}

/** The numbers that this error has besides the general one of each command. */
function numbersOf(code: string): string {
  const kind = failureKind({ code });
  if (kind === "payload" || kind === "unknown-command")
    return `${wireErrorNumber(undefined, { code })} for any command`;
  return available
    .filter((name) => wireErrorNumber(name, { code }) !== generalNumber(name))
    .map((name) => `${name} ${wireErrorNumber(name, { code })}`)
    .join(", ");
}

function numberTable(): string[] {
  const rows = classifiedCodes.map((code) => [`\`${code}\``, numbersOf(code)]).filter(([, list]) => list !== "");
  return table(["Code", "Number"], rows);
}

/** The text of the page. Throws when a folder has errors and no title here. */
export function errorsPage(): string {
  const known = Object.keys(titles);
  const sections = errorCatalogue.toSorted((one, other) => known.indexOf(one.folder) - known.indexOf(other.folder));
  const lines = [
    introduction,
    ...sections.flatMap(({ folder, errors }) => {
      const title = titles[folder];
      if (title === undefined)
        throw new Error(`scripts/documents/errors-page.ts has no title for src/${folder}/errors.ts`);
      return ["", `## ${title}`, "", ...errorTable(errors)];
    }),
    "",
    statuses,
    "",
    ...statusTable(),
    "",
    numbers,
    "",
    ...numberTable(),
  ];
  return `${lines.join("\n")}\n`;
}
