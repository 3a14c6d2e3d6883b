/** `retention`, and what people write to backups: `retain`, `expunge`, `annotate`. */
import type { JobResult, JsonValue } from "../ipc/index.ts";
import {
  changeComments,
  detailBackup,
  infoResponse,
  keepResponse,
  managementErrors,
  retentionResponse,
  summariseBackup,
  type ManagementRequest,
  type ResponseResult,
  type RetentionDecision,
  type RetentionSummary,
  type RetentionWal,
} from "../management/index.ts";
import { repositoryErrors, type BackupInfo } from "../repository/index.ts";
import { formatPolicy } from "../retention/index.ts";
import type { HandlerContext } from "./handler-context.ts";
import { repositoryUse } from "./backups-in-use.ts";
import { retentionRequest } from "./retention-runs.ts";
import type { SupervisedServer } from "./server.ts";
import { retentionPolicyOf } from "./settings.ts";
import { identityOf, walOfBackups } from "./status.ts";

export async function handleRetention(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const dryRun = request.fields["DryRun"] === true;
  const entries = await context.catalog.refresh(server.name);
  const use = repositoryUse(context.jobs.active(server.name), entries);
  const wanted = retentionRequest(server, use, dryRun ? "retention-plan" : "retention");
  const outcome = await context.jobs.submit(server.name, wanted).done;
  if (outcome.state !== "succeeded") throw outcome.error;
  if (!dryRun) await context.catalog.refresh(server.name);
  const described = retentionOf(outcome.result);
  const response = retentionResponse(identityOf(server), {
    policy: formatPolicy(retentionPolicyOf(server.options)),
    minimum: server.options.retentionMinimum,
    dryRun,
    ...described,
    warnings: outcome.result.notes,
  });
  return { status: true, response };
}

/** What the job says is checked to be plain JSON; that it has these fields is its own promise. */
function retentionOf({ facts }: JobResult): Pick<RetentionSummary, "decisions" | "wal" | "freedBytes" | "freedAtMost"> {
  const list = <T>(value: JsonValue | undefined): readonly T[] =>
    Array.isArray(value) ? (value as readonly unknown[] as readonly T[]) : [];
  const freed = { freedBytes: Number(facts["freedBytes"] ?? 0), freedAtMost: facts["freedAtMost"] === true };
  return { decisions: list<RetentionDecision>(facts["decisions"]), wal: list<RetentionWal>(facts["wal"]), ...freed };
}

/** The backup, and with `cascade` its parents up to the full backup. Throws BACKUP_INVALID when one of them is not there. */
async function chosen(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<readonly BackupInfo[]> {
  const info = await context.catalog.find(server.name, String(request.fields["Backup"]));
  const chain = [info];
  if (request.fields["Cascade"] !== true) return chain;
  const entries = await context.catalog.refresh(server.name);
  for (let parent = info.parent; parent !== undefined;) {
    const next = entries.find(({ label }) => label === parent)?.info;
    if (next === undefined || chain.some(({ label }) => label === next.label)) {
      throw repositoryErrors.backupInvalid(
        `backup ${parent} of ${server.name}, which ${info.label} rests on, is not there`,
        {
          server: server.name,
          label: info.label,
        },
      );
    }
    chain.push(next);
    parent = next.parent;
  }
  return chain;
}

/** Sets or clears the mark that exempts a backup from retention and deletion. */
async function handleKeep(
  keep: boolean,
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  // A deletion that runs may have this very backup in hand: nobody is told that it stays before that is settled.
  return context.jobs.whileNothingIsRemoved(server.name, async () => {
    const chain = await chosen(request, server, context);
    const [first] = chain;
    const invalid = keep ? chain.find(({ valid }) => !valid) : undefined;
    if (invalid !== undefined) {
      throw repositoryErrors.backupInvalid(
        `backup ${invalid.label} of ${server.name} is not valid: nothing is gained by keeping it`,
        {
          server: server.name,
          label: invalid.label,
        },
      );
    }
    // The full backup first: what a child needs is kept before the child is.
    for (const { label } of [...chain].reverse())
      await context.catalog.update(server.name, label, (info) => ({ ...info, keep }));
    const labels = chain.map(({ label }) => label);
    const after = await context.catalog.find(server.name, first?.label ?? "");
    return {
      status: true,
      response: keepResponse(
        identityOf(server),
        summariseBackup(server.name, after),
        labels,
        request.fields["Cascade"] === true,
      ),
    };
  });
}

export const handleRetain = (
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> => handleKeep(true, request, server, context);
export const handleExpunge = (
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> => handleKeep(false, request, server, context);

export async function handleAnnotate(
  request: ManagementRequest,
  server: SupervisedServer,
  context: HandlerContext,
): Promise<ResponseResult> {
  const { Action: action, Key: key, Comment: comment } = request.fields;
  if (action !== "add" && action !== "update" && action !== "remove") {
    throw managementErrors.actionUnknown(`the action ${JSON.stringify(action)} is none of add, update and remove`, {
      action: String(action),
    });
  }
  return context.jobs.whileNothingIsRemoved(server.name, async () => {
    const { label } = await context.catalog.find(server.name, String(request.fields["Backup"]));
    await context.catalog.update(server.name, label, (info) => ({
      ...info,
      comments: changeComments(info.comments, {
        action,
        key: String(key),
        comment: typeof comment === "string" ? comment : null,
      }),
    }));
    const wal = walOfBackups(server, await context.catalog.refresh(server.name)).get(label);
    const info = await context.catalog.find(server.name, label);
    return { status: true, response: infoResponse(detailBackup(server.name, info, wal)) };
  });
}
