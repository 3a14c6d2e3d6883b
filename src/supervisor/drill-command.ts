/** `drill`: asked for by an operator or by the schedule, and answered from what was recorded. */
import type { JobRequest, JsonValue } from "../ipc/index.ts";
import { drillResponse, type ManagementRequest, type ResponseResult } from "../management/index.ts";
import { messageOf } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { openDrillRecords } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";
import { supervisorErrors } from "./errors.ts";
import type { HandlerContext } from "./handler-context.ts";
import type { SupervisedServer } from "./server.ts";
import { identityOf } from "./status.ts";

/** What the job is asked for, with the settings of the server. */
export function drillRequest(
  { options }: Pick<SupervisedServer, "options">,
  backup = "newest",
  position: string | null = null,
): JobRequest {
  return {
    command: "drill",
    backup,
    position,
    workspace: options.workspace,
    programs: [...options.postgresPath].map(([major, directory]) => ({ major, directory })),
    sqlFile: options.drillSql ?? null,
    database: options.drillDatabase,
    preloadLibraries: options.drillPreloadLibraries ?? "",
  };
}

/** Reads what drills of the server proved, so that status never touches the disk. */
export async function rememberDrills(server: SupervisedServer, storage: Storage, logger: Logger): Promise<void> {
  try {
    const records = openDrillRecords(storage, server.name, (path) =>
      logger.warn(`the history of the drills of ${server.name} was damaged: it is kept as "${path}" and begins anew`),
    );
    server.drills = await records.list();
  } catch (error) {
    logger.error(`the history of the drills of ${server.name} cannot be read: ${messageOf(error)}`);
  }
}

/** A word that no label is: whoever leaves out the backup means the newest that reaches the position. */
const isPosition = (word: string): boolean =>
  word.includes("=") || ["current", "immediate"].includes(word.toLowerCase());

function wanted(request: ManagementRequest): { readonly backup: string; readonly position: string | null } {
  const { Backup: backup, Position: position } = request.fields;
  const asked = typeof position === "string" ? position : null;
  if (typeof backup !== "string") return { backup: "newest", position: asked };
  return asked === null && isPosition(backup) ? { backup: "newest", position: backup } : { backup, position: asked };
}

const textOf = (fact: JsonValue | undefined): string => (typeof fact === "string" ? fact : "");

export async function handleDrill(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const { backup, position } = wanted(request);
  const job = context.jobs.submit(server.name, drillRequest(server, backup, position));
  const outcome = await job.done;
  // Also of a drill that failed: whoever asks for the status next sees it.
  await context.rememberDrills(server);
  if (outcome.state !== "succeeded") throw outcome.error;
  const { facts, label, notes } = outcome.result;
  const page = textOf(facts["page"]);
  const record = server.drills.find(({ id, outcome: proven }) => page.endsWith(`/${id}.html`) && proven === "proven");
  if (record?.moment === undefined || record.moment === null || label === null) {
    throw supervisorErrors.answerLost(`the drill of ${server.name} is not in its history`, { server: server.name });
  }
  return {
    status: true,
    response: drillResponse(identityOf(server), {
      label,
      target: textOf(facts["target"]),
      moment: record.moment,
      lsn: record.lsn,
      restoreMs: record.restoreMs ?? 0,
      replayMs: record.replayMs ?? 0,
      totalMs: Number(facts["totalMs"]),
      checks: (["amcheck", "sql"] as const).map((name) => ({ name, outcome: record[name] ?? "not run" })),
      page,
      report: textOf(facts["report"]),
      warnings: notes,
    }),
  };
}
