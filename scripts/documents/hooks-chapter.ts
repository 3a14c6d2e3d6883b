/** doc/manual/hooks.md: programs around what is done, made from the table of hooks. */
import { everyHookHas, hookNames, hookTable, hookVariables, type HookVariable } from "../../src/hooks/index.ts";
import { table } from "./markdown.ts";

const introduction = `# Hooks

A hook is a program of yours that Moneta runs before or after it does something: to freeze an application, to ask whether a backup is
wanted now, to copy what was archived to a tape. \`hook_<name> = <path>\` in \`pgmoneta.conf\` sets one for all servers, in the section of a
server for that one.

    hook_before_backup = /etc/moneta/before-backup
    hook_timeout = 10m

This chapter is made from the table of hooks by \`npm run generate:documents\`.

## How it is run

- Without arguments, in the directory \`/\`, as the account of the daemon, in a process group of its own, with an empty standard input.
- With the environment below, and of the daemon's own only PATH, HOME, USER, LOGNAME, the language, the time zone and TMPDIR: no
  password and no key is ever in it.
- What it writes to standard output and standard error goes into the log of the daemon, line by line, at most 16,000 characters of it.
- It may take \`hook_timeout\` (5 minutes unless set). Then it gets TERM, two seconds later KILL, and with it everything that it has
  started in its process group. A job that is cancelled ends its hook in the same way; an \`after\` hook of a cancelled job has 5 seconds.
- Only jobs of the daemon run hooks. \`moneta-cli --offline\`, \`wal-get\` and \`wal-push\` do not: they are for the day on which nothing else
  works, or are hooks of PostgreSQL themselves.

## Exit status

| Exit status | A hook before | A hook after |
| --- | --- | --- |
| 0 | the job goes on | nothing more |
| any other, or a signal | the job is refused: \`HOOK_REFUSED\`, with the last line that the program wrote | a warning; the job stays what it was |
| longer than hook_timeout | refused: \`HOOK_TIME_LIMIT\` | a warning |
| cannot be started | refused: \`HOOK_NOT_STARTED\` | a warning |

An \`after\` hook runs only when its \`before\` hook has allowed the job, and never turns a success into a failure: a backup that is valid is
valid. That a program is there and can be executed is checked when the daemon starts.

## All hooks
`;

const named = (variables: readonly HookVariable[]): string => (variables.length === 0 ? "–" : variables.map((name) => `\`${name}\``).join(", "));

/** The text of the chapter. */
export function hooksChapter(): string {
  const rows = hookNames.map((name) => {
    const { failure, variables, when } = hookTable[name];
    return [`\`hook_${name}\``, when, failure, named(variables)];
  });
  const variables = Object.entries(hookVariables).map(([name, meaning]) => [`\`${name}\``, `${meaning.charAt(0).toUpperCase()}${meaning.slice(1)}.`]);
  const lines = [
    introduction,
    ...table(["Key", "When", "When it does not end with 0", "Variables"], rows),
    "",
    "## Environment",
    "",
    `Every hook has ${named(everyHookHas)}; the others where the table above names them.`,
    "",
    ...table(["Variable", "Holds"], variables),
  ];
  return `${lines.join("\n")}\n`;
}
