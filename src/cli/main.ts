/** moneta-cli: the process. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { keepMemoryOutOfCoreDumps, messageOf, systemClock } from "../common/index.ts";
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
// Until it has said how it ended, it has not succeeded: also when nothing is left to wait for.
process.exitCode = words.includes(walGetCommand) ? fatalForRecovery : 1;
const interrupted = new AbortController();
if (words.includes(walGetCommand)) {
  // Not the usual status 1 of a crash, which PostgreSQL would take for the end of the archive. Signals keep their
  // default: PostgreSQL ends its restore_command with one and wants to see that it did.
  process.on("uncaughtException", (error) => {
    process.stderr.write(`moneta-cli wal-get: ${messageOf(error)}\n`);
    process.exit(fatalForRecovery);
  });
} else {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort(signal));
}

/** Everything but what a server in recovery waits for; loaded only when it is needed, because it is most of the program. */
async function runAsOperator(): Promise<number> {
  const { runCli } = await import("./run.ts");
  return runCli(words, {
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    environment: process.env,
    userId: process.getuid?.() ?? 0,
    homeDirectory: process.env.HOME ?? homedir(),
    clock: systemClock,
    interrupted: interrupted.signal,
    version: version(),
  });
}

async function run(): Promise<number> {
  const [word, plan] = words;
  if (word === walPrefetchCommand && plan !== undefined) return runWalPrefetch(plan);
  const walGet = parseWalGet(words);
  return walGet === undefined ? runAsOperator() : runWalGet(walGet, process.stderr);
}

// A program is built as a script, which cannot wait by itself; what is thrown is an uncaught exception.
void run().then((status) => {
  process.exitCode = status;
});
