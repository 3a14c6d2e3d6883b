/**
 * `restore_command` of a restored server. PostgreSQL reads the exit status and nothing else: 0 delivered, 1 the end
 * of the archive (recovery ends there, and promotes), 126 anything that went wrong (recovery stops). A failure that
 * ended as 1 would make PostgreSQL open for business with rows missing, and 1 is how Node ends for many reasons: so
 * the end of the archive is 100 here, and the command line in the restored server translates it.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { systemClock, toMonetaError } from "../common/index.ts";
import type { FetchedWal, WalFetch } from "../restore/index.ts";
import { cliErrors } from "./errors.ts";

/** The word by which the command line calls it. */
export const walGetCommand = "wal-get";
/** The word by which it calls itself, to stay and keep the next segments ready. */
export const walPrefetchCommand = "wal-prefetch";
const delivered = 0;
const absent = 100;
/** The lowest status that is fatal for recovery; 127 and more are the shell's and the signals'. */
export const fatalForRecovery = 126;

export interface WalGetArguments {
  readonly server: string;
  /** `%f`: a segment, a history file or a backup history file. */
  readonly file: string;
  /** `%p`: where it shall be, relative to the data directory that PostgreSQL has made its working directory. */
  readonly destination: string;
  /** What the restore knew and wrote down: chosen history, needed range, durable end. */
  readonly plan: string | undefined;
}

/**
 * The words of a call as a restore writes them into `restore_command`; undefined for any other form, which the parser
 * of the command line then explains. A server in recovery waits for this program, and loading that parser takes longer
 * than fetching a segment.
 */
export function parseWalGet(words: readonly string[]): WalGetArguments | undefined {
  const at = words.indexOf(walGetCommand);
  const before = words.slice(0, Math.max(0, at));
  const [option, plan, end, server, file, destination, ...more] = words.slice(at + 1);
  const known = before.length === 0 || (before.length === 2 && before[0] === "-D");
  if (at < 0 || !known || option !== "--plan" || end !== "--" || more.length > 0) return undefined;
  if (plan === undefined || server === undefined || file === undefined || destination === undefined) return undefined;
  return { plan, server, file, destination };
}

type Fetch = (request: WalFetch) => Promise<FetchedWal>;

/** Loaded when it is called, so that a failure to load ends as one of ours. */
const fetchFromRepository: Fetch = async (request) => (await import("../restore/index.ts")).fetchWal(request);

/** Fetches one file. Never rejects. */
export async function runWalGet(
  { file, destination, plan }: WalGetArguments,
  stderr: { readonly write: (text: string) => unknown },
  fetch: Fetch = fetchFromRepository,
): Promise<number> {
  try {
    if (plan === undefined) throw cliErrors.planMissing(`no plan of recovery was named for ${file}`, { file });
    const fetched = await fetch({
      plan,
      name: file,
      destination,
      onAhead: () => startPrefetch(plan),
      onSecondCopy: (line) => stderr.write(`${line}\n`),
    });
    return fetched === "delivered" ? delivered : absent;
  } catch (error) {
    const known = toMonetaError(error);
    stderr.write(`moneta-cli wal-get ${file}: ${known.message} (${known.code})\n`);
    return fatalForRecovery;
  }
}

/** PostgreSQL waits for the end of its restore_command and of whatever has its outputs: this one has nothing of it. */
function startPrefetch(plan: string): void {
  const script = fileURLToPath(new URL("../../bin/moneta-cli", import.meta.url));
  const child = spawn(process.execPath, [script, walPrefetchCommand, plan], { detached: true, stdio: "ignore" });
  // Without it segments are fetched one by one.
  child.on("error", () => undefined);
  child.unref();
}

/** Stays until recovery takes no more segments, or the signal ends it. Never rejects. */
export async function runWalPrefetch(plan: string, signal: AbortSignal): Promise<number> {
  try {
    const { prefetchWal } = await import("../restore/index.ts");
    await prefetchWal({ plan, clock: systemClock, signal });
    return 0;
  } catch {
    // Nobody listens; PostgreSQL will ask for that segment by its name, and then it is said and counts.
    return 1;
  }
}
