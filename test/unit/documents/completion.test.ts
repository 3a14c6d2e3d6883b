/** The completion files that are shipped, judged by the shells themselves. */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect } from "vitest";
import { commands } from "../../../scripts/documents/completion-words.ts";
import { run } from "../../support/processes.ts";
import { requires, tool } from "../../support/requires.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const folder = join(import.meta.dirname, "../../../etc/completion");
let directory: string;
let environment: NodeJS.ProcessEnv;
beforeAll(() => {
  directory = temporaryDirectory({ prefix: "complete" }).path;
  // What a daemon would be asked for: `complete` itself has its test with a daemon.
  const program = join(directory, "moneta-cli");
  writeFileSync(
    program,
    `#!/bin/sh\necho "$*" >> ${directory}/asked\ncase "$*" in *servers) printf 'primary\\nreplica\\n';; *'backups primary') printf '20261120090136\\n';; esac\n`,
  );
  chmodSync(program, 0o755);
  environment = { PATH: `${directory}:${process.env["PATH"] ?? ""}`, HOME: directory, LC_ALL: "C.UTF-8", TERM: "dumb" };
});

/** A line, its last word unfinished, and what is offered for that. */
const lines: readonly (readonly [words: readonly string[], offered: readonly string[]])[] = [
  [["ba"], ["backup"]],
  [["backup", ""], ["primary", "replica"]],
  [["backup", "p"], ["primary"]],
  [["-F", ""], ["json", "raw", "text"]],
  [["--tls-mode", "v"], ["verify-full"]],
  [["restore", "--dr"], ["--dry-run"]],
  [["restore", "primary", ""], ["20261120090136", "newest", "oldest"]],
  [["info", "-F", "json", "primary", "2"], ["20261120090136"]],
  [["key", ""], ["rotate"]],
  [["key", "rotate", "r"], ["replica"]],
  [["mode", "primary", ""], ["offline", "online"]],
  [["-h", "db", "-p", "5001", "verify", "primary", "newest", "f"], []],
];
const asked = (): string => readFileSync(join(directory, "asked"), "utf8");

requires("bash").test("bash", async () => {
  const script = `. ${folder}/moneta-cli.bash\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _moneta_cli; printf '%s\\n' "\${COMPREPLY[@]}"`;
  for (const [words, offered] of lines.slice(0, -1)) {
    const { stdout, stderr } = await run(tool("bash"), ["-c", script, "bash", "moneta-cli", ...words], { env: environment });
    expect([words, stdout.split("\n").filter((line) => line !== "").toSorted(), stderr]).toEqual([words, offered, ""]);
  }
  const { stdout } = await run(tool("bash"), ["-c", script, "bash", "moneta-cli", "-h", "db", "--port", "=", "5001", "mode", ""], { env: environment });
  expect(stdout).toBe("primary\nreplica\n");
  expect(asked()).toContain("-h db --port 5001 complete servers");
  // Every command is known, and offers something or nothing without a complaint.
  const all = commands.map(({ words }) => `_moneta_cli_try ${words.join(" ")} ''; _moneta_cli_try ${words.join(" ")} --`).join("\n");
  const every = await run(tool("bash"), ["-c", `. ${folder}/moneta-cli.bash\n_moneta_cli_try() { COMP_WORDS=(moneta-cli "$@"); COMP_CWORD=$#; _moneta_cli; [[ \${COMPREPLY[*]} == *--* || $_ != -- ]]; }\n${all}`], { env: environment });
  expect(every.stderr).toBe("");
});

requires("fish").test("fish", async () => {
  const calls = lines.map(([words]) => `echo "== ${words.join(" ")}"; complete -C "moneta-cli ${words.join(" ")}"`);
  const { stdout, stderr } = await run(tool("fish"), ["--no-config", "-c", `source ${folder}/moneta-cli.fish; ${calls.join("; ")}`], { env: environment });
  expect(stderr).toBe("");
  const found = stdout.split(/^== /m).slice(1).map((part) => part.split("\n").slice(1).map((line) => line.split("\t")[0] ?? "").filter((word) => word !== ""));
  for (const [index, [words, offered]] of lines.slice(0, -1).entries()) expect([words, (found[index] ?? []).toSorted()]).toEqual([words, offered]);
});

requires("zsh").test("zsh", async () => {
  // A shell with its line editor, to which the line is typed; what it offers is written to a file.
  const set = join(directory, "setup.zsh");
  writeFileSync(
    set,
    `PROMPT= ; setopt no_beep; fpath=(${folder} $fpath); autoload -Uz compinit && compinit -u -D\n` +
      `compadd() {\n  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi\n  local -a hits; builtin compadd -O hits "$@"; print -rl -- $hits >> ${directory}/offered\n  builtin compadd "$@"\n}\n` +
      `after() { print -r -- END >> ${directory}/offered; zle kill-whole-line }; zle -N after; bindkey '^X' after; bindkey '^I' complete-word\n: > ${directory}/ready\n`,
  );
  const typed = lines.map(([words]) => `((++count)); zpty -w -n z $'moneta-cli ${words.join(" ")}\\t\\x18'; until [[ $(grep -c END ${directory}/offered 2>/dev/null) -ge $count ]] { zpty -r -t z text; sleep 0.02 }`);
  const script = `zmodload zsh/zpty; integer count=0; zpty z zsh -f -i; zpty -w z 'source ${set}'; until [[ -e ${directory}/ready ]] { zpty -r -t z text; sleep 0.02 }\n${typed.join("\n")}\nzpty -d z`;
  const { stderr } = await run(tool("zsh"), ["-f", "-c", script], { env: environment });
  expect(stderr).toBe("");
  const found = readFileSync(join(directory, "offered"), "utf8").split("END\n").map((part) => [...new Set(part.split("\n").filter((word) => word !== ""))]);
  for (const [index, [words, offered]] of lines.slice(0, -1).entries()) expect([words, (found[index] ?? []).toSorted()]).toEqual([words, offered]);
});
