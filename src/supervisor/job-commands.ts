/** Management commands that run as jobs: checked, put in line, waited for, and answered from what is really there. */
import { isAbsolute } from "node:path";
import type { JobRequest, JobResult, JsonValue } from "../ipc/index.ts";
import {
  archiveResponse,
  backupResponse,
  deleteResponse,
  managementErrors,
  parsePlaces,
  restoreResponse,
  verifyResponse,
  type BackupSummary,
  type ManagementRequest,
  type ResponseResult,
} from "../management/index.ts";
import { isLabel, type CatalogEntry } from "../repository/index.ts";
import type { PlainReport } from "../verify/index.ts";
import type { HandlerContext } from "./handler-context.ts";
import { supervisorErrors } from "./errors.ts";
import type { Job } from "./job.ts";
import { waitForState, type SupervisedServer } from "./server.ts";
import { backupSummaries, identityOf } from "./status.ts";

/** How long a backup waits for a receiver that has only just been started, milliseconds. */
const STREAM_PATIENCE_MS = 15_000;

const textOf = (request: ManagementRequest, name: string): string => {
  const value = request.fields[name];
  if (typeof value !== "string")
    throw managementErrors.requestInvalid(`the request has no field ${name}`, { field: name });
  return value;
};
const optionalText = (request: ManagementRequest, name: string): string | null => {
  const value = request.fields[name];
  return typeof value === "string" ? value : null;
};
const flagOf = (request: ManagementRequest, name: string): boolean => request.fields[name] === true;

function backupRequest(request: ManagementRequest): JobRequest {
  const parent = optionalText(request, "Backup");
  if (parent !== null)
    throw managementErrors.commandNotAvailable("incremental backups are not available in this version", { parent });
  return { command: "backup", parent };
}

function absoluteText(request: ManagementRequest, name: string): string {
  const directory = textOf(request, name);
  if (isAbsolute(directory)) return directory;
  throw managementErrors.requestInvalid(`the directory "${directory}" is not absolute, and the daemon works elsewhere`, { directory });
}

function restoreRequest(request: ManagementRequest): JobRequest {
  const directory = absoluteText(request, "Directory");
  return {
    command: "restore",
    backup: textOf(request, "Backup"),
    position: optionalText(request, "Position"),
    directory,
    dryRun: flagOf(request, "DryRun"),
    copyWal: flagOf(request, "CopyWal"),
    tablespaceMap: parsePlaces(optionalText(request, "TablespaceMap")),
    tablespaceMapAll: optionalText(request, "TablespaceMapAll"),
  };
}

/** Without WAL there is no backup: waits a moment for the stream, then says what holds it up. */
export async function needStream(server: SupervisedServer, context: Pick<HandlerContext, "timeout">): Promise<void> {
  if (!server.online) throw managementErrors.serverOffline(`server ${server.name} is offline`, { server: server.name });
  if (server.follow !== undefined && server.follow.since === undefined) {
    const { followed } = server.follow;
    throw supervisorErrors.following(`${server.name} follows ${followed}, which streams`, { server: server.name, followed });
  }
  server.receiver.wake();
  const streaming = (): boolean => server.state().receiver === "streaming" && server.receiver.child.state === "running";
  // A refusal from before the attempt that was just asked for says nothing.
  let tried = server.state().receiver !== "refused";
  const hopeless = (): boolean => {
    const refused = server.state().receiver === "refused";
    if (!refused) tried = true;
    return server.receiver.child.state === "failed" || (refused && tried);
  };
  await waitForState(server, () => streaming() || hopeless(), context.timeout(STREAM_PATIENCE_MS));
  if (streaming()) return;
  const reason = server.problem === undefined ? `the receiver is ${server.state().receiver}` : server.problem.message;
  throw supervisorErrors.notStreaming(
    `no WAL of ${server.name} is received at the moment: ${reason}`,
    { server: server.name },
    server.problem,
  );
}

/** Runs a job to its end. The client may leave meanwhile; the job goes on. */
async function perform(
  server: SupervisedServer,
  request: JobRequest,
  context: HandlerContext,
): Promise<{ job: Job; result: JobResult }> {
  const job = context.jobs.submit(server.name, request);
  const outcome = await job.done;
  if (outcome.state !== "succeeded") throw outcome.error;
  return { job, result: outcome.result };
}

function summaryOf(server: SupervisedServer, entries: readonly CatalogEntry[], label: string | null): BackupSummary {
  const summary = backupSummaries(server, entries).find((backup) => backup.label === label);
  if (summary === undefined)
    throw supervisorErrors.answerLost(`the catalog of ${server.name} has no backup ${label ?? "of that job"}`, {
      server: server.name,
    });
  return summary;
}

const factText = (result: JobResult, name: string): string => {
  const value = result.facts[name];
  return typeof value === "string" ? value : "";
};
const factList = (value: JsonValue | undefined): readonly string[] =>
  Array.isArray(value) ? (value as readonly JsonValue[]).filter((item) => typeof item === "string") : [];

export async function handleBackup(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const wanted = backupRequest(request);
  await needStream(server, context);
  const { job, result } = await perform(server, wanted, context);
  const summary = summaryOf(server, await context.catalog.refresh(server.name), result.label);
  if (!summary.valid)
    throw supervisorErrors.answerLost(`backup ${summary.label} of ${server.name} is in the catalog, but not valid`, {
      label: summary.label,
    });
  const elapsedMs = (job.ended ?? 0) - (job.started ?? 0);
  // As in pgmoneta the copies are fresh when the answer comes; the backup is taken whatever becomes of them.
  const unfresh = (await server.hotStandby?.settled()) ?? [];
  return { status: true, response: backupResponse(identityOf(server), summary, elapsedMs, [...result.notes, ...unfresh]) };
}

export async function handleRestore(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const wanted = restoreRequest(request);
  const { result } = await perform(server, wanted, context);
  // Somebody may delete the backup as soon as the restore is over, which takes nothing from it.
  const before = context.catalog.entries(server.name);
  const entries = await context.catalog.refresh(server.name);
  const backup = summaryOf(server, entries.some(({ label }) => label === result.label) ? entries : before, result.label);
  return {
    status: true,
    response: restoreResponse(identityOf(server), {
      backup,
      directory: factText(result, "directory"),
      target: factText(result, "target"),
      plan: factList(result.facts["plan"]),
      dryRun: result.facts["dryRun"] === true,
      warnings: result.notes,
    }),
  };
}

export async function handleArchive(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const { result } = await perform(
    server,
    {
      command: "archive",
      backup: textOf(request, "Backup"),
      position: optionalText(request, "Position"),
      directory: absoluteText(request, "Directory"),
    },
    context,
  );
  const { facts, label, notes } = result;
  return {
    status: true,
    response: archiveResponse(identityOf(server), {
      label: label ?? "",
      file: factText(result, "file"),
      size: Number(facts["size"]),
      bytes: Number(facts["bytes"]),
      target: factText(result, "target"),
      warnings: notes,
    }),
  };
}

/** What is the oldest now need not be when the turn of the job comes: what goes is what was meant. */
async function labelToDelete(which: string, server: SupervisedServer, { catalog }: HandlerContext): Promise<string> {
  return isLabel(which) ? which : (await catalog.find(server.name, which)).label;
}

export async function handleDelete(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const backup = await labelToDelete(textOf(request, "Backup"), server, context);
  const { result } = await perform(server, { command: "delete", backup, force: flagOf(request, "Force") }, context);
  const left = await context.catalog.refresh(server.name);
  if (result.label === null || left.some((entry) => entry.label === result.label)) {
    throw supervisorErrors.answerLost(`backup ${result.label ?? ""} of ${server.name} is still in the catalog`, {
      server: server.name,
    });
  }
  return { status: true, response: deleteResponse(identityOf(server), result.label) };
}

/** What is wrong with the backup is in the error, which becomes the answer: a job that found something did not succeed. */
export async function handleVerify(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const backup = textOf(request, "Backup");
  const all = optionalText(request, "Files") === "all";
  try {
    const { result } = await perform(server, { command: "verify", backup, all, schedule: null }, context);
    return { status: true, response: verifyResponse(result.facts["report"] as unknown as PlainReport, unusedDirectory(request)) };
  } finally {
    await context.catalog.refresh(server.name);
  }
}

function unusedDirectory(request: ManagementRequest): string[] {
  const directory = optionalText(request, "Directory");
  return directory === null ? [] : [`the directory ${directory} is not used: a verification needs no place to restore to`];
}
