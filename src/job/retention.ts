/** `retention`: what is due goes; `retention-plan` says what would, and stands in nobody's way. */
import { failureOf } from "../hooks/index.ts";
import type { JobResult, JsonValue } from "../ipc/index.ts";
import { parseLsn, timelineId } from "../postgres/index.ts";
import { describeRetention, runRetention, type RetentionPolicy } from "../retention/index.ts";
import type { JobEnvironment, JobHandler, RequestOf } from "./job.ts";

function policyOf({ policy }: RequestOf<"retention" | "retention-plan">): RetentionPolicy {
  if (policy.kind !== "calendar") return policy;
  const { days, weeks, months, years } = policy;
  return { kind: "calendar", days, weeks: weeks ?? undefined, months: months ?? undefined, years: years ?? undefined };
}

async function carryOut(
  request: RequestOf<"retention" | "retention-plan">,
  { server, storage, clock, hooks, logger, signal, progress, settled }: JobEnvironment,
): Promise<JobResult> {
  const dryRun = request.command === "retention-plan";
  const { minimum } = request;
  const { all, backups, wal: walInUse } = request.inUse;
  const inUse = {
    all,
    backups,
    wal: walInUse.map(({ timeline, from }) => ({ timeline: timelineId(timeline), from: parseLsn(from) })),
  };
  const timeline = request.timeline === null ? undefined : timelineId(request.timeline);
  progress({ phase: "delete" });
  const remarks: string[] = [];
  const outcome = await runRetention(
    { server: server.name, storage, policy: policyOf(request), minimum, inUse, timeline, dryRun },
    {
      clock,
      logger,
      signal,
      progress: (bytesDone, bytesTotal) => progress({ bytesDone, bytesTotal }),
      settled,
      beforeRemoval: (label) => hooks.before("before_delete", { MONETA_BACKUP: label }),
      async afterRemoval(label, failure) {
        const outcome = failure === undefined ? { MONETA_RESULT: "succeeded" } : failureOf(failure, signal);
        const remark = await hooks.after("after_delete", { MONETA_BACKUP: label, ...outcome });
        if (remark !== undefined) remarks.push(remark);
      },
    },
  );
  const facts = { ...describeRetention(outcome), removedWal: { ...outcome.removedWal } };
  return { label: null, notes: remarks, facts: facts as unknown as { readonly [key: string]: JsonValue } };
}

export const applyRetention: JobHandler<"retention"> = carryOut;
export const previewRetention: JobHandler<"retention-plan"> = carryOut;
