/**
 * `complete servers` and `complete backups <server>`: words for the completion of shells, one a line. Nobody is asked
 * anything, nothing is said about what fails: without a daemon there are no words.
 */
import { buildRequest, compressionCodes, encryptionCodes, sendRequest, type CommandName, type JsonObject } from "../management/index.ts";
import { objectsIn, textIn } from "./document-fields.ts";
import { cliErrors } from "./errors.ts";
import type { GlobalOptions } from "./invocation.ts";
import { loadClient, resolveSettings } from "./settings.ts";
import type { Terminal } from "./terminal.ts";

/** Whoever presses the tab key waits no longer than this. */
const patienceMs = 2_000;

const silent = (): Promise<string> => Promise.reject(cliErrors.noInput("nobody is asked while a word is completed"));

async function ask(command: CommandName, fields: Readonly<Record<string, string>>, options: GlobalOptions, terminal: Terminal): Promise<JsonObject> {
  const quiet: Terminal = { ...terminal, ask: silent, askSecret: silent };
  const settings = await resolveSettings(options, loadClient(options, quiet), quiet);
  const header = { output: "raw", compression: compressionCodes[settings.compression], encryption: encryptionCodes[settings.encryption], now: terminal.clock.now() } as const;
  const answer = await sendRequest(settings.address, buildRequest(command, fields, header), {
    ...settings,
    connectTimeoutMs: patienceMs,
    answerTimeoutMs: patienceMs,
    signal: terminal.interrupted,
  });
  return answer.response;
}

/** Prints the words; the status is 0 whatever happens. */
export async function runComplete(words: readonly string[], options: GlobalOptions, terminal: Terminal): Promise<number> {
  const [kind, server] = words;
  try {
    const found =
      kind === "backups" && server !== undefined
        ? objectsIn(await ask("list-backup", { Server: server, Sort: "desc" }, options, terminal), "Backups").map((backup) => textIn(backup, "Backup"))
        : kind === "servers"
          ? objectsIn(await ask("status", {}, options, terminal), "Servers").map((one) => textIn(one, "Server"))
          : [];
    // A name that a shell could take apart is not offered.
    for (const word of found) if (word !== undefined && /^[\w.@+-]+$/.test(word)) terminal.stdout.write(`${word}\n`);
  } catch {
    // As promised: no words.
  }
  return 0;
}
