/** doc/manual/admin.md: every command of moneta-admin, from the parser of the command line. */
import { createProgram } from "../../src/admin/index.ts";
import { initDescription } from "./admin-init-page.ts";
import { table } from "./markdown.ts";

/** What a command says of itself that its one line cannot. */
const more: Readonly<Record<string, readonly string[]>> = {
  init: [...initDescription, "[First steps](first-steps.md) leads through it; `man moneta-admin-init` has its exit statuses."],
  "master-key": ["The file must be readable by nobody else, in a directory that nobody else may enter. A copy of it belongs on another machine. [What a rotation does](operation.md)."],
  "user add": ["For the users file the name is the role on the PostgreSQL server; for the admins file it is a login of [remote management](remote.md)."],
};

const introduction = `# moneta-admin

\`moneta-admin\` works without a daemon, on the machine of the daemon and as its account: it sets Moneta up, keeps the master key and the files
with passwords, and edits configuration files. It refuses to run as root, but for \`conf\`.

A password comes from \`-P\`, \`-g\`, the environment variable \`PGMONETA_PASSWORD\`, or a question. \`-F json\` prints one document with
\`Header\`, \`Outcome\` and \`Response\`. The exit status is 0 only if what was asked for is done; [errors](../ERRORS.md) has the others.

This chapter is made from the parser of the command line by \`npm run generate:documents\`.

## Options of all commands
`;

type Options = readonly { readonly flags: string; readonly description: string }[];

const optionTable = (options: Options): string[] => table(["Option", "Meaning"], options.map(({ flags, description }) => [`\`${flags}\``, `${description}.`]));

/** The text of the chapter. */
export function adminChapter(): string {
  const program = createProgram(() => undefined);
  const commands = program.commands.flatMap((command) =>
    command.commands.length === 0 ? [{ name: command.name(), command }] : command.commands.map((inner) => ({ name: `${command.name()} ${inner.name()}`, command: inner })),
  );
  const sections = commands.flatMap(({ name, command }) => {
    const words = command.registeredArguments.map((argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`));
    return [
      "",
      `## ${name}`,
      "",
      `\`moneta-admin [options] ${[name, ...words].join(" ")}\``,
      "",
      `${command.description().charAt(0).toUpperCase()}${command.description().slice(1)}.`,
      ...(more[name] ?? []).flatMap((text) => ["", text]),
      ...(command.options.length === 0 ? [] : ["", ...optionTable(command.options)]),
    ];
  });
  return `${[introduction, ...optionTable(program.options), ...sections].join("\n")}\n`;
}
