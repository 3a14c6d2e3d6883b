/** Answer of `check`, which is ours. */
import type { CheckReport } from "../check/index.ts";
import type { JsonObject } from "./json.ts";
import type { ServerIdentity } from "./summaries.ts";

const exits = { ok: 0, warning: 1, critical: 2, unknown: 3 } as const;

export function checkResponse(server: ServerIdentity, report: CheckReport): JsonObject {
  const { at, figures, results, status } = report;
  const count = (wanted: string): number => results.filter((result) => result.status === wanted && !result.ignored).length;
  return {
    Server: server.server,
    MajorVersion: server.majorVersion,
    MinorVersion: server.minorVersion,
    Status: status,
    ExitStatus: exits[status],
    Time: new Date(at).toISOString(),
    Good: count("ok"),
    Warnings: count("warning"),
    Critical: count("critical"),
    Unknown: count("unknown"),
    Skipped: count("skipped"),
    Ignored: results.filter(({ ignored }) => ignored).length,
    Checks: results.map(({ code, fix, ignored, message, statement, status: found }) => ({
      Code: code,
      Status: found,
      Message: message,
      Ignored: ignored,
      Fix: fix ?? null,
      Statement: statement ?? null,
    })),
    Figures: figures.map(({ critical, label, unit, value, warning }) => ({
      Label: label,
      Value: Math.round(value),
      Unit: unit,
      Warning: warning === undefined ? null : Math.round(warning),
      Critical: critical === undefined ? null : Math.round(critical),
    })),
  };
}
