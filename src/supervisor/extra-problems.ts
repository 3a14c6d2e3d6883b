/** What of `extra` the newest backup does not have: an alarm until one has it all. */
import { backupErrors } from "../backup/index.ts";
import type { ProblemSummary } from "../management/index.ts";
import type { CatalogEntry } from "../repository/index.ts";
import type { SupervisedServer } from "./server.ts";

export function extraProblems({ options }: Pick<SupervisedServer, "options">, entries: readonly CatalogEntry[]): ProblemSummary[] {
  const wanted = options.extra ?? [];
  const newest = entries.findLast(({ state }) => state === "valid")?.info;
  if (wanted.length === 0 || newest === undefined) return [];
  const stored = newest.extra.split(",");
  const missing = wanted.filter((path) => !stored.includes(path));
  if (missing.length === 0) return [];
  const { code, hint } = backupErrors.extraIncomplete.spec;
  return [{ code, message: `the newest backup, ${newest.label}, lacks (a part of) ${missing.join(", ")}`, hint }];
}
