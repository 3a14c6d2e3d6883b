/** Commands without a daemon: their answers are the documents that the daemon would have sent. */
import { fileURLToPath } from "node:url";
import {
  archiveResponse,
  buildRequest,
  buildResponse,
  encodeDocument,
  infoResponse,
  jobProgress,
  listBackupResponse,
  parsePlaces,
  parseRequest,
  parseResponse,
  restoreResponse,
  retentionResponse,
  verifyResponse,
} from "../management/index.ts";
import type { JobSummary, JsonObject, ManagementResponse, OutputFormat } from "../management/index.ts";
import { toMonetaError } from "../common/index.ts";
import { cliErrors } from "./errors.ts";
import type { Invocation } from "./invocation.ts";
import type { OfflineOperations, OfflineSurroundings } from "./offline-operations.ts";
import { readJob } from "./render-progress.ts";
import type { Terminal } from "./terminal.ts";
import { createProgressDisplay } from "./watch.ts";

/** The command line of this very installation. */
export const program = {
  node: process.execPath,
  script: fileURLToPath(new URL("../../bin/moneta-cli", import.meta.url)),
};

/**
 * Loads what the offline commands need only when one is used: the usual command must start quickly.
 */
export async function openOfflineOperations(surroundings: OfflineSurroundings): Promise<OfflineOperations> {
  const repository = once(async () => {
    const { openRepositoryOperations } = await import("./offline-repository.ts");
    return openRepositoryOperations(surroundings);
  });
  return {
    listBackups: async (server) => (await repository()).listBackups(server),
    describeBackup: async (server, backup) => (await repository()).describeBackup(server, backup),
    planRetention: async (server, signal) => (await repository()).planRetention(server, signal),
    restore: async (request) => (await repository()).restore(request),
    archive: async (request) => (await repository()).archive(request),
    verify: async (request) => (await repository()).verify(request),
    close: () => Promise.resolve(),
  };
}

function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined;
  return () => (opened ??= open());
}

async function perform(
  { command, fields }: Invocation,
  operations: OfflineOperations,
  format: OutputFormat,
  terminal: Terminal,
): Promise<JsonObject> {
  const server = String(fields.Server);
  const backup = String(fields.Backup);
  if (command === "list-backup") {
    const { identity, backups } = await operations.listBackups(server);
    return listBackupResponse(identity, backups, fields.Sort === "desc" ? "desc" : "asc");
  }
  if (command === "info") return infoResponse(await operations.describeBackup(server, backup));
  if (command === "retention") {
    const { identity, retention } = await operations.planRetention(server, terminal.interrupted);
    return retentionResponse(identity, retention);
  }
  const display = createProgressDisplay(terminal.stderr, terminal.clock);
  const watching = {
    onProgress: (job: JobSummary): void => {
      if (format === "text") display.show(readJob(jobProgress(job)));
    },
    signal: terminal.interrupted,
  };
  try {
    if (command === "verify") {
      const directory =
        typeof fields.Directory === "string"
          ? [`the directory ${fields.Directory} is not used: a verification needs no place to restore to`]
          : [];
      const kept = "nothing was written: a daemon keeps what it finds, and marks a backup that cannot be restored";
      return verifyResponse(await operations.verify({ server, backup, all: fields.Files === "all", ...watching }), [
        kept,
        ...directory,
      ]);
    }
    const position = typeof fields.Position === "string" ? fields.Position : null;
    const directory = String(fields.Directory);
    if (command === "archive") {
      const { identity, archive } = await operations.archive({ server, backup, position, directory, ...watching });
      return archiveResponse(identity, archive);
    }
    const all = typeof fields.TablespaceMapAll === "string" ? fields.TablespaceMapAll : undefined;
    const { identity, restore } = await operations.restore({
      server,
      backup,
      position,
      directory,
      tablespaceMap: { each: parsePlaces(typeof fields.TablespaceMap === "string" ? fields.TablespaceMap : null), all },
      dryRun: fields.DryRun === true,
      copyWal: fields.CopyWal === true,
      ...watching,
    });
    return restoreResponse(identity, restore);
  } finally {
    display.clear();
  }
}

/** Answers the command from the repository. A failure of the operation is an answer with a failed outcome. */
export async function askOffline(
  invocation: Invocation,
  format: OutputFormat,
  terminal: Terminal,
  open: (surroundings: OfflineSurroundings) => Promise<OfflineOperations> = openOfflineOperations,
): Promise<ManagementResponse> {
  const { command, fields, options } = invocation;
  if (
    !["list-backup", "info", "restore", "archive", "verify"].includes(command) &&
    !(command === "retention" && fields.DryRun === true)
  )
    throw cliErrors.offlineOnly(
      command === "retention"
        ? "retention needs a running daemon, but for --dry-run"
        : `${command} needs a running daemon`,
      { command },
    );
  const start = terminal.clock.monotonic();
  const request = buildRequest(command, fields, {
    output: format,
    compression: 0,
    encryption: 0,
    now: terminal.clock.now(),
  });
  const operations = await open({
    directory: options.directory,
    environment: terminal.environment,
    defaultDirectory: terminal.defaultDirectory,
    program,
    warn: (message) => terminal.stderr.write(`moneta-cli: ${message}\n`),
  });
  let result: Parameters<typeof buildResponse>[1];
  try {
    result = { status: true, response: await perform(invocation, operations, format, terminal) };
  } catch (error) {
    result = { status: false, error: toMonetaError(error) };
  } finally {
    await operations.close();
  }
  // Through the same bytes as an answer over the socket, so that both look the same to everything that follows.
  const raw = parseRequest(encodeDocument(request));
  return parseResponse(encodeDocument(buildResponse(raw, result, terminal.clock.monotonic() - start)));
}
