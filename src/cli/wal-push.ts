/**
 * `archive_command` of a server whose WAL is stored here. PostgreSQL reads the exit status and nothing else: 0, it may remove
 * the file; 1 to 125, it keeps it and tries again; more, its archiver process ends and is started anew. So 0 is said only of
 * a file that is durable in the repository, and nothing ends with more than 125. No daemon is needed.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageWithHint, systemClock, toMonetaError } from "../common/index.ts";
import type { Configuration, MainOptions } from "../config/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import type { PushedWal } from "../wal/index.ts";
import { cliErrors } from "./errors.ts";
import type { Terminal } from "./terminal.ts";

/** The word by which the command line calls it. */
export const walPushCommand = "wal-push";
/** The highest status at which PostgreSQL only tries again; also how a crash of Node ends is below it. */
const highestStatus = 125;

export interface WalPushArguments {
  /** `-D`. */
  readonly directory: string | undefined;
  /** Undefined where the configuration has one server only. */
  readonly server: string | undefined;
  /** `%p`; or `%f`, when the content comes from standard input. */
  readonly file: string;
  readonly stdin: boolean;
  readonly verbose: boolean;
}

/** Takes one file. Never rejects. */
export async function runWalPush(request: WalPushArguments, terminal: Terminal, stdin: AsyncIterable<Uint8Array>): Promise<number> {
  const name = basename(request.file);
  try {
    if (terminal.userId === 0) throw cliErrors.rootRefused("moneta-cli does not run as root");
    const outcome = await push(request, terminal, stdin);
    if (request.verbose) terminal.stdout.write(`${name} ${outcome === "stored" ? "is stored" : "was stored before"}\n`);
    return 0;
  } catch (error) {
    const known = toMonetaError(error);
    terminal.stderr.write(`moneta-cli wal-push ${name}: ${messageWithHint(known)} (${known.code})\n`);
    return known.exit > 0 && known.exit <= highestStatus ? known.exit : 1;
  }
}

async function push(request: WalPushArguments, terminal: Terminal, stdin: AsyncIterable<Uint8Array>): Promise<PushedWal> {
  const { loadConfiguration } = await import("../config/index.ts");
  const { configuration } = await loadConfiguration({
    directory: request.directory,
    environment: terminal.environment,
    purpose: "offline",
    ...(terminal.defaultDirectory === undefined ? {} : { defaultDirectory: terminal.defaultDirectory }),
  });
  const { main } = configuration;
  const section = sectionOf(configuration, request.server);
  const storage = await openOwnRepository(main, terminal.userId);
  const [{ pushWal }, { openDataKeys }, { masterKeySource }, { nearestLevel }, { silentLogger }] = await Promise.all([
    import("../wal/index.ts"),
    import("../repository/index.ts"),
    import("../vault/index.ts"),
    import("../compression/index.ts"),
    import("../log/index.ts"),
  ]);
  const { compression, compressionLevel, encryption, name: server, workers } = section;
  return pushWal(
    {
      server,
      storage,
      name: basename(request.file),
      content: request.stdin ? stdin : contentOf(request.file),
      spec: { compression: compression.method, level: nearestLevel(compression.method, compressionLevel), encryption },
      keys: encryption === "none" ? undefined : openDataKeys(storage, server, masterKeySource(main.masterKeyFile)),
      hash: main.hashAlgorithm === "sha512" ? "sha512" : "sha256",
      workers: Math.max(2, workers),
      memoryBytes: main.jobMemory,
    },
    { clock: systemClock, logger: silentLogger, signal: terminal.interrupted },
  );
}

/** `%p` is relative to the data directory, in which PostgreSQL runs its archive_command. */
async function* contentOf(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw cliErrors.pushUnreadable(`"${path}" cannot be read`, { path }, error);
  }
}

function sectionOf({ files, servers }: Configuration, name: string | undefined): Configuration["servers"][number] {
  const [only, ...others] = servers;
  if (name === undefined) {
    if (only !== undefined && others.length === 0) return only;
    throw cliErrors.usage(`the configuration ${files.main} has ${servers.length} servers: name the one whose WAL this is`);
  }
  const section = servers.find((server) => server.name === name);
  if (section === undefined) throw cliErrors.usage(`the configuration ${files.main} has no server ${name}`);
  return section;
}

/**
 * The repository that the daemon made, and no mount point in its place; of the account that pushes, because the daemon must
 * be able to read what is made. Throws REPOSITORY_GONE and PUSH_OTHER_ACCOUNT.
 */
async function openOwnRepository({ baseDir, masterKeyFile }: MainOptions, userId: number): Promise<LocalStorage> {
  const { openRepositoryStorage, parseRepositoryNote, readRepositoryId, repositoryErrors, repositoryIdName, repositoryNotePath, requireRepository } =
    await import("../repository/index.ts");
  const { openLocalStorage } = await import("../storage/index.ts");
  const storage = openLocalStorage(baseDir);
  let owner: number;
  try {
    owner = (await stat(join(baseDir, repositoryIdName))).uid;
  } catch (error) {
    throw repositoryErrors.gone(
      `"${baseDir}" holds no repository, or none that this account can see: a new one is made by the daemon, at its first start`,
      { path: baseDir },
      error,
    );
  }
  if (owner !== userId) {
    throw cliErrors.pushOtherAccount(`"${baseDir}" belongs to the account with id ${owner}, not to the one that pushes (${userId})`, {
      path: baseDir,
      owner,
    });
  }
  const { readFile } = await import("node:fs/promises");
  const note = await readFile(repositoryNotePath(dirname(masterKeyFile), baseDir), "utf8").then(parseRepositoryNote, () => undefined);
  const found = await readRepositoryId(storage);
  if (found === undefined) throw repositoryErrors.gone(`"${baseDir}" does not say which repository it is`, { path: baseDir });
  if (note !== undefined) await requireRepository(storage, note.id);
  return openRepositoryStorage(baseDir, found);
}
