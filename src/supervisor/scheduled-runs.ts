/** What the scheduler starts: backups and drills as an operator would ask for them, and what stands in their way. */
import { messageOf } from "../common/index.ts";
import type { ScheduledKind, ScheduledRun } from "../repository/index.ts";
import { drillRequest } from "./drill-command.ts";
import type { HandlerContext } from "./handler-context.ts";
import { needStream } from "./job-commands.ts";
import type { SupervisedServer } from "./server.ts";

export type RunContext = Pick<HandlerContext, "jobs" | "catalog" | "timeout" | "rememberDrills">;

/** Why it cannot be run now; undefined when it can. */
export async function obstacleOf(
  kind: ScheduledKind,
  server: SupervisedServer,
  context: RunContext,
): Promise<string | undefined> {
  const [before] = context.jobs.active(server.name, kind);
  if (before !== undefined) return `one still ${before.state === "waiting" ? "waits" : "runs"} (job ${before.id})`;
  if (kind === "drill") {
    const valid = context.catalog.entries(server.name).some(({ state }) => state === "valid");
    return valid ? undefined : "there is no valid backup";
  }
  try {
    await needStream(server, context);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Runs it to its end. */
export async function runScheduled(
  kind: ScheduledKind,
  server: SupervisedServer,
  context: RunContext,
): Promise<Pick<ScheduledRun, "outcome" | "message">> {
  try {
    const job = context.jobs.submit(
      server.name,
      kind === "drill" ? drillRequest(server) : { command: "backup", parent: null },
    );
    const outcome = await job.done;
    if (kind === "drill") await context.rememberDrills(server);
    if (outcome.state === "succeeded") return { outcome: "succeeded", message: null };
    return { outcome: outcome.state === "cancelled" ? "cancelled" : "failed", message: outcome.error.message };
  } catch (error) {
    return { outcome: "failed", message: messageOf(error) };
  }
}
