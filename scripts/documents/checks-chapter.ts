/** doc/manual/checks.md: what `moneta-cli check` looks at, made from the table of checks. */
import { checkCodes, checkTable } from "../../src/check/index.ts";
import { table } from "./markdown.ts";

const introduction = `# Checks

\`moneta-cli check <server>\` looks at a server, at what is stored of it, and at the machine, and says of each thing how it is. The
daemon asks the server anew for each check, in a process of its own; nothing is changed anywhere. Each check has a code that
is never renamed, and says what to do; where a statement puts it right it is printed as it is to be typed.

This chapter is made from the table of checks by \`npm run generate:documents\`.

## Statuses

| Status | Exit status | Means |
| --- | --- | --- |
| ok | 0 | every check that could be made is good |
| warning | 1 | something needs attention, and nothing is lost yet |
| critical | 2 | backups or WAL are not what they should be, or the daemon does not answer |
| unknown | 3 | a check could not be made: an unknown server, a mistake on the command line, a defect |

The worst counts, in the order critical, warning, unknown. These are the exit statuses of Nagios' plugins, and they are those of
\`check\` alone: every other command of \`moneta-cli\` ends with the status of its error (doc/ERRORS.md), where 2 is wrong use and 3
a daemon that does not answer. For \`check\` a daemon that does not answer is critical (2), because nothing is received then, and
everything else that keeps the check from being made is unknown (3). In \`--format json\` the document has both: \`Outcome.Status\` says
whether the check was made, \`Response.Status\` and \`Response.ExitStatus\` what it found.

A check is *skipped* when there is nothing to look at, or when the server does not tell: it counts for nothing, and says why. What
is known and accepted is named in \`check_ignore\`: it is shown as ignored and does not count.

    check_ignore = PAGE_CHECKSUMS, SQL_CONNECTION

## Monitoring

As a plugin of Nagios, Icinga, Naemon or anything that runs plugins:

    define command {
      command_name check_moneta
      command_line sudo -n -u moneta moneta-cli check --nagios $ARG1$
    }

The first line says what is worst, with figures behind the bar (lag and age of the WAL, age and number of backups, the window that can
be restored, free room, and how long the pg_wal of the server has room); what is wrong follows line by line.

Over the network with \`nagios = <port>\` in \`pgmoneta.conf\`: \`GET /<server>\` answers for one server, \`GET /\` for all of them, in the
same form. The HTTP status says it as well: 200 ok, 417 warning, 503 critical, 500 unknown, 404 no such server; check_http takes
4xx for a warning and 5xx for critical, so that it needs no further option:

    check_http -H backup.example.org -p 5003 -u /primary

The port binds to \`host\`, has no TLS and no login, and tells names of servers and what is wrong with them: keep it where only
monitoring comes. An answer of a server is reused for 30 seconds, so that whoever asks often cannot keep the daemon busy.

## All checks
`;

/** The text of the chapter. */
export function checksChapter(): string {
  const rows = checkCodes.map((code) => {
    const { critical, fix, looksAt, warning } = checkTable[code];
    return [`\`${code}\``, looksAt, warning ?? "–", critical ?? "–", fix];
  });
  return `${[introduction, ...table(["Code", "Looks at", "Warning", "Critical", "What to do"], rows)].join("\n")}\n`;
}
