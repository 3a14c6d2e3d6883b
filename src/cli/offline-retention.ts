/** `retention --dry-run` without a daemon. */
import { systemClock } from "../common/index.ts";
import type { ServerOptions } from "../config/index.ts";
import { createLogger } from "../log/index.ts";
import type { RetentionSummary } from "../management/index.ts";
import { describeRetention, formatPolicy, nothingInUse, runRetention, type RetentionPolicy } from "../retention/index.ts";
import type { LocalStorage } from "../storage/index.ts";

/** What would stay and go at this moment. Nothing is written. */
export async function previewRetention(
  storage: LocalStorage,
  { name, retention, retentionMinimum: minimum }: ServerOptions,
  signal: AbortSignal,
): Promise<RetentionSummary> {
  // The configuration is refused without days.
  const policy: RetentionPolicy =
    retention.kind === "calendar" ? { ...retention, days: retention.days ?? 1 } : retention;
  const outcome = await runRetention(
    { server: name, storage, policy, minimum, inUse: nothingInUse, dryRun: true },
    {
      clock: systemClock,
      logger: createLogger(["retention", name], "error", () => undefined),
      signal,
      progress: () => undefined,
      settled: () => undefined,
    },
  );
  const warnings = ["without the daemon it is not known which backups its jobs are working with"];
  return { policy: formatPolicy(policy), minimum, dryRun: true, ...describeRetention(outcome), warnings };
}
