/** moneta-cli: the process. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { createPrompt, hideSecretArguments, keepMemoryOutOfCoreDumps, messageOf, systemClock, type Prompt } from "../common/index.ts";
import type { Output } from "./terminal.ts";
import { fatalForRecovery, parseWalGet, runWalGet, runWalPrefetch, walGetCommand, walPrefetchCommand } from "./wal-get.ts";

function outputOf(stream: NodeJS.WriteStream): Output {
  // A reader that leaves early (a pager, head) is no failure of the command.
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  return {
    write: (text) => void stream.write(text),
    isTTY: stream.isTTY,
    get columns() {
      // Some terminals do not tell, and say 0.
      return stream.isTTY && stream.columns > 0 ? stream.columns : 80;
    },
  };
}

function version(): string {
  const { version: found } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return found;
}

// Whatever the surroundings say: what is written here is nobody else's business.
process.umask(0o077);
keepMemoryOutOfCoreDumps();
const words = process.argv.slice(2);
hideSecretArguments("moneta-cli", words, (title) => (process.title = title));
// Until it has said how it ended, it has not succeeded: also when nothing is left to wait for.
process.exitCode = words.includes(walGetCommand) ? fatalForRecovery : 1;
const interrupted = new AbortController();
/** Who gets Ctrl-C in the middle of a job. */
let catching: (() => void) | undefined;
if (words.includes(walGetCommand)) {
  // Not the usual status 1 of a crash, which PostgreSQL would take for the end of the archive. Signals keep their
  // default: PostgreSQL ends its restore_command with one and wants to see that it did.
  process.on("uncaughtException", (error) => {
    process.stderr.write(`moneta-cli wal-get: ${messageOf(error)}\n`);
    process.exit(fatalForRecovery);
  });
} else {
  process.once("SIGTERM", () => interrupted.abort("SIGTERM"));
  const onInterrupt = (): void => {
    if (catching !== undefined) {
      catching();
      return;
    }
    // The next one ends the process, whatever hangs.
    process.removeListener("SIGINT", onInterrupt);
    interrupted.abort("SIGINT");
  };
  process.on("SIGINT", onInterrupt);
}

let prompt: Prompt | undefined;

/** One for all questions, because what is piped in may hold several answers; questions are rare. */
async function openPrompt(): Promise<Prompt> {
  const { cliErrors } = await import("./errors.ts");
  const { noInput, questionInterrupted: interruption } = cliErrors;
  prompt ??= createPrompt({ input: process.stdin, output: process.stderr }, { noInput, interrupted: interruption });
  return prompt;
}

/** Everything but what a server in recovery waits for; loaded only when it is needed, because it is most of the program. */
async function runAsOperator(): Promise<number> {
  const { runCli } = await import("./run.ts");
  const status = await runCli(words, {
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    environment: process.env,
    userId: process.getuid?.() ?? 0,
    homeDirectory: process.env.HOME ?? homedir(),
    clock: systemClock,
    ask: async (question) => (await openPrompt()).ask(question),
    askSecret: async (question) => (await openPrompt()).askSecret(question),
    get interactive() {
      // Looked up when it matters: the stream of the input takes longer to make than the rest of a start.
      return process.stdin.isTTY && process.stderr.isTTY;
    },
    onInterrupt(handler) {
      catching = handler;
      return () => {
        if (catching === handler) catching = undefined;
      };
    },
    interrupted: interrupted.signal,
    version: version(),
  });
  // Whoever listens to the input keeps the process alive.
  prompt?.close();
  return status;
}

async function run(): Promise<number> {
  const [word, plan] = words;
  if (word === walPrefetchCommand && plan !== undefined) return runWalPrefetch(plan, interrupted.signal);
  const walGet = parseWalGet(words);
  return walGet === undefined ? runAsOperator() : runWalGet(walGet, process.stderr);
}

// A program is built as a script, which cannot wait by itself; what is thrown is an uncaught exception.
void run().then((status) => {
  process.exitCode = status;
});
