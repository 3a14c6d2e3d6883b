/** What the daemon answers to each management command; the commands that run as jobs are in `job-commands.ts`. */
import {
  cancelResponse,
  detailBackup,
  entryRemarks,
  infoResponse,
  listBackupResponse,
  managementErrors,
  modeResponse,
  pingResponse,
  progressResponse,
  statusDetailsResponse,
  statusResponse,
  type CommandName,
  type JsonObject,
  type ManagementHandler,
  type ManagementRequest,
  type ManagementSession,
  type ResponseResult,
} from "../management/index.ts";
import { drillsOf } from "../repository/index.ts";
import { handleConfGet, handleConfLs, handleConfReload, handleConfSet } from "./configuration-commands.ts";
import { supervisorErrors } from "./errors.ts";
import { handleCheck, handleNotifyTest } from "./check-commands.ts";
import { aborted, CANCEL_ANSWER_MS } from "./cancel-answer.ts";
import { handleDiagnose } from "./diagnose-command.ts";
import { handleFile, handleFileCancel, handleFileProgress } from "./file-commands.ts";
import type { HandlerContext } from "./handler-context.ts";
import { handleArchive, handleBackup, handleDelete, handleRestore, handleVerify } from "./job-commands.ts";
import { handleDrill } from "./drill-command.ts";
import type { Job } from "./job.ts";
import { handleLineage } from "./lineage-command.ts";
import { jobTraits } from "./job-table.ts";
import { handleAnnotate, handleExpunge, handleRetain, handleRetention } from "./retention-commands.ts";
import { handleKeyRotate } from "./key-command.ts";
import { handleSchedule } from "./schedule-command.ts";
import type { SupervisedServer } from "./server.ts";
import {
  backupSummaries,
  fipsMode,
  identityOf,
  jobSummaries,
  repositorySummary,
  serverDetails,
  serverSummary,
  walOfBackups,
} from "./status.ts";

type ServerHandler = (
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
) => Promise<ResponseResult>;
type DaemonHandler = (
  session: ManagementSession,
  context: HandlerContext,
  request: ManagementRequest,
) => Promise<ResponseResult>;

const yes = (response: JsonObject | null): ResponseResult => ({ status: true, response });

async function handleList(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const sort = request.fields["Sort"] ?? "asc";
  if (sort !== "asc" && sort !== "desc") {
    throw managementErrors.requestInvalid(`the order ${JSON.stringify(sort)} is neither asc nor desc`, {
      field: "Sort",
    });
  }
  const entries = await context.catalog.refresh(server.name);
  return yes(listBackupResponse(identityOf(server), backupSummaries(server, entries), sort));
}

async function handleInfo(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const info = await context.catalog.find(server.name, String(request.fields["Backup"]));
  const entries = await context.catalog.refresh(server.name);
  const entry = entries.find(({ label }) => label === info.label);
  return yes(
    infoResponse({
      ...detailBackup(server.name, info, walOfBackups(server, entries).get(info.label)),
      ...entryRemarks(entry),
      ...drillsOf(info.label, server.drills),
    }),
  );
}

/** The last job of a server that is over, so that whoever left before its end still learns the outcome. */
function lastOutcome(server: SupervisedServer, context: HandlerContext): JsonObject | null {
  const job = context.jobs.last(server.name);
  if (job?.outcome === undefined) return lastCutOff(server);
  const common = {
    Job: String(job.id),
    Command: job.command,
    State: job.outcome.state,
    Ended: new Date(job.ended ?? 0).toISOString(),
  };
  if (job.outcome.state === "succeeded") return { ...common, Label: job.outcome.result.label };
  const { code, message, hint } = job.outcome.error;
  return { ...common, Code: code, Message: message, Hint: hint };
}

/** Before any job of this daemon has ended: how the last one of the daemon before it did, which died. */
function lastCutOff({ cutOff = [] }: SupervisedServer): JsonObject | null {
  const last = cutOff.at(-1);
  if (last === undefined) return null;
  const common = { Job: String(last.id), Command: last.command, State: last.outcome.state };
  if (last.outcome.state === "succeeded") return { ...common, Label: last.outcome.label };
  const { code, message, hint } = last.outcome.error;
  return { ...common, Code: code, Message: message, Hint: hint };
}

async function handleProgress(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  // Whoever has just asked for a job looks for it, and must not take another one for his.
  await context.jobs.whenAccepted(server.name);
  const command = request.fields["Command"];
  const filter = typeof command === "string" && Object.hasOwn(jobTraits, command) ? command : undefined;
  const jobs = jobSummaries(server.name, context.sources, filter);
  return yes({ ...progressResponse(identityOf(server), jobs), Last: lastOutcome(server, context) });
}

async function handleMode(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const action = request.fields["Action"];
  if (action !== "online" && action !== "offline") {
    throw managementErrors.actionUnknown(`the mode ${JSON.stringify(action)} is neither online nor offline`, {
      action: String(action),
    });
  }
  await context.setOnline(server, action === "online");
  return yes(modeResponse(identityOf(server), server.online));
}

/** The job that is meant: by its number, else the only one that an operator could mean. */
function jobToCancel(server: SupervisedServer, number: string | null, context: HandlerContext): Job {
  const visible = context.jobs.active(server.name).filter((job) => jobTraits[job.command].visible);
  if (number !== null) {
    const job = visible.find((candidate) => String(candidate.id) === number);
    if (job === undefined)
      throw managementErrors.jobUnknown(`server ${server.name} has no running or waiting job ${number}`, {
        job: number,
      });
    return job;
  }
  const running = visible.filter((job) => job.state !== "waiting");
  const candidates = running.length > 0 ? running : visible;
  const [only, ...others] = candidates;
  if (only === undefined)
    throw managementErrors.jobUnknown(`no job of server ${server.name} runs or waits`, { server: server.name });
  if (others.length > 0) {
    const names = candidates.map((job) => `${job.id} (${job.command})`).join(", ");
    throw managementErrors.jobUnknown(`several jobs of server ${server.name} could be meant: ${names}; name one`, {
      server: server.name,
    });
  }
  return only;
}

async function handleCancel(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const number = request.fields["Job"];
  const job = jobToCancel(server, typeof number === "string" ? number : null, context);
  job.cancel("an operator cancelled it");
  const late = context.timeout(CANCEL_ANSWER_MS);
  const outcome = await Promise.race([job.done, aborted(late)]);
  if (outcome === undefined) {
    throw supervisorErrors.jobHangs(
      `job ${job.id} (${job.command} of ${server.name}) was told to end, and its process is still there`,
      { job: job.id, pid: job.pid ?? 0 },
    );
  }
  if (outcome.state === "succeeded") {
    throw managementErrors.jobUnknown(`job ${job.id} had succeeded before it could be cancelled`, { job: job.id });
  }
  return yes(cancelResponse(identityOf(server), [{ id: String(job.id), command: job.command }]));
}

const serverHandlers: Partial<Readonly<Record<CommandName, ServerHandler>>> = {
  backup: handleBackup,
  restore: handleRestore,
  archive: handleArchive,
  delete: handleDelete,
  verify: handleVerify,
  retention: handleRetention,
  retain: handleRetain,
  expunge: handleExpunge,
  annotate: handleAnnotate,
  "list-backup": handleList,
  info: handleInfo,
  progress: handleProgress,
  mode: handleMode,
  cancel: handleCancel,
  drill: handleDrill,
  lineage: handleLineage,
  check: handleCheck,
  "key rotate": handleKeyRotate,
};

/** Whoever looks has perhaps just repaired something: what waits for its next attempt makes it now. */
function wakeAll(servers: readonly SupervisedServer[]): void {
  for (const server of servers) {
    if (server.online) server.receiver.wake();
    server.lookAtPushes?.();
  }
}

const daemonHandlers: Partial<Readonly<Record<CommandName, DaemonHandler>>> = {
  ping: async (_session, { sources }) => yes(pingResponse(sources.version)),
  status: async (_session, { servers, sources }) => {
    wakeAll(servers);
    return yes(
      statusResponse(
        repositorySummary(servers, sources),
        servers.map((server) => serverSummary(server, sources)),
      ),
    );
  },
  "status details": async (_session, { servers, sources }) => {
    wakeAll(servers);
    return yes(
      statusDetailsResponse(
        repositorySummary(servers, sources),
        servers.map((server) => serverDetails(server, sources)),
        fipsMode(),
      ),
    );
  },
  schedule: async (_session, { intervals, servers, sources }, request) =>
    handleSchedule(request, servers, intervals, sources.now()),
  "notify test": async (_session, context) => handleNotifyTest(context),
  diagnose: async (_session, context) => handleDiagnose(context),
  compress: async (_session, context, request) => handleFile("compress", request, context),
  decompress: async (_session, context, request) => handleFile("decompress", request, context),
  encrypt: async (_session, context, request) => handleFile("encrypt", request, context),
  decrypt: async (_session, context, request) => handleFile("decrypt", request, context),
  "conf ls": async (_session, context) => handleConfLs(context),
  "conf get": async (_session, context, request) => handleConfGet(request, context),
  "conf set": async (_session, context, request) => handleConfSet(request, context),
  "conf reload": async (_session, context) => handleConfReload(context),
  "clear prometheus": async (_session, { clearMetrics }) => {
    clearMetrics();
    return yes(null);
  },
  shutdown: async (session, { shutdown }) => {
    session.afterAnswer(() => shutdown("a client asked for it"));
    return yes(null);
  },
};

/** Commands that mean the files that are being converted when they name no server. */
const fileHandlers: Partial<Readonly<Record<CommandName, (request: ManagementRequest, context: HandlerContext) => Promise<ResponseResult>>>> = {
  progress: handleFileProgress,
  cancel: handleFileCancel,
};

/** The handler of the management listener. */
export function createHandler(context: HandlerContext): ManagementHandler {
  return async (request, session) => {
    const { command } = request;
    const ofDaemon = daemonHandlers[command];
    if (ofDaemon !== undefined) return ofDaemon(session, context, request);
    const ofFiles = fileHandlers[command];
    if (ofFiles !== undefined && typeof request.fields["Server"] !== "string") return ofFiles(request, context);
    const ofServer = serverHandlers[command];
    if (ofServer === undefined)
      throw managementErrors.commandNotAvailable(`the command ${command} is not available in this version`, {
        command,
      });
    const name = request.fields["Server"];
    const server = context.servers.find((candidate) => candidate.name === name);
    if (server === undefined)
      throw managementErrors.serverUnknown(`there is no server ${JSON.stringify(name)}`, { server: String(name) });
    return ofServer(request, server, context);
  };
}
