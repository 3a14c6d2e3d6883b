/** Rules between directories: what one thing keeps must not lie where another one keeps its own. Pure: names alone are compared. */
import { resolve } from "node:path";
import type { SectionUnderCheck } from "./check-consistency.ts";
import { isWithin } from "./check-standbys.ts";
import type { ConfigProblem } from "./configuration.ts";

/** A second copy of the WAL has the tree of a repository below its root: in the repository itself it would be the first one. */
export function checkPlaces(file: string, main: SectionUnderCheck, servers: readonly SectionUnderCheck[]): ConfigProblem[] {
  const base = main.compiled.values.get("base_dir");
  if (typeof base !== "string") return [];
  return servers.flatMap(({ section, compiled }) => {
    const copy = compiled.values.get("wal_shipping");
    if (typeof copy !== "string" || !isWithin(resolve(copy), resolve(base))) return [];
    const line = compiled.entries.get("wal_shipping")?.line ?? section.line;
    const message = `expected a directory that is not within base_dir, best on another disk, found "${copy}"`;
    return [{ file, line, section: section.name, key: "wal_shipping", message }];
  });
}
