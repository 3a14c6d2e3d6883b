/**
 * Rules for the copies of `hot_standby`. What is in such a directory and not in the backup is removed: so nothing else may
 * lie in one, neither another copy nor anything that Moneta keeps. Pure: names alone are compared.
 */
import { join, resolve } from "node:path";
import type { SectionUnderCheck } from "./check-consistency.ts";
import type { ConfigProblem } from "./configuration.ts";
import type { TablespaceChoice } from "./value-types.ts";

export const isWithin = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`);

interface Place {
  readonly path: string;
  readonly server: SectionUnderCheck;
  readonly key: string;
}

/** A directory that no copy may hold. */
interface Kept {
  readonly path: string;
  readonly what: string;
  /** Nor may it hold a copy. */
  readonly alone: boolean;
}

const lists = ["hot_standby_overrides", "hot_standby_tablespaces"] as const;

/** All problems of the copies of all servers. */
export function checkStandbys(file: string, main: SectionUnderCheck, servers: readonly SectionUnderCheck[]): ConfigProblem[] {
  const problem = (server: SectionUnderCheck, key: string, message: string): ConfigProblem => {
    const line = server.compiled.entries.get(key)?.line ?? server.section.line;
    return { file, line, section: server.section.name, key, message };
  };
  const problems: ConfigProblem[] = [];
  for (const server of servers) {
    const { values } = server.compiled;
    const copies = (values.get("hot_standby") as readonly string[] | undefined) ?? [];
    for (const key of lists) {
      const parts = (values.get(key) as readonly unknown[] | undefined)?.length ?? 0;
      if (parts > 0 && copies.length === 0) problems.push(problem(server, key, "expected hot_standby as well, whose copies it is for"));
      else if (parts > copies.length) {
        problems.push(problem(server, key, `expected no more parts than hot_standby has directories, which are ${copies.length}, found ${parts}`));
      }
    }
  }
  const places = servers.flatMap(placesOf);
  for (const [index, { path, server, key }] of places.entries()) {
    const other = places.slice(0, index).find((before) => isWithin(path, before.path) || isWithin(before.path, path));
    if (other !== undefined) {
      problems.push(problem(server, key, `expected directories of this copy alone, but "${path}" and "${other.path}" of [${other.server.section.name}] lie in one another`));
      continue;
    }
    const kept = keptPlaces(main, servers).find((each) => isWithin(each.path, path) || (each.alone && isWithin(path, each.path)));
    if (kept !== undefined) problems.push(problem(server, key, `expected a directory that is apart from ${kept.what}, found "${path}"`));
  }
  return problems;
}

/** The directories that a server's copies fill; where a tablespace without a map lies only the backup says. */
function placesOf(server: SectionUnderCheck): Place[] {
  const { values } = server.compiled;
  const copies = (values.get("hot_standby") as readonly string[] | undefined) ?? [];
  const maps = (values.get("hot_standby_tablespaces") as readonly (readonly TablespaceChoice[])[] | undefined) ?? [];
  return [
    ...copies.map((directory) => ({ path: join(directory, server.section.name), server, key: "hot_standby" })),
    ...maps.flat().map(({ directory }) => ({ path: directory, server, key: "hot_standby_tablespaces" })),
  ];
}

function keptPlaces(main: SectionUnderCheck, servers: readonly SectionUnderCheck[]): Kept[] {
  const named = (section: SectionUnderCheck, key: string, alone: boolean): Kept[] => {
    const path = section.compiled.values.get(key);
    return typeof path === "string" ? [{ path: resolve(path), what: key, alone }] : [];
  };
  return [
    ...named(main, "base_dir", true),
    ...named(main, "workspace", false),
    ...named(main, "unix_socket_dir", false),
    ...servers.flatMap((server) => [
      ...named(server, "workspace", false),
      ...named(server, "wal_shipping", true).map(({ path, alone }) => {
        const { name } = server.section;
        return { path: join(path, name), what: `the second copy of the WAL of [${name}]`, alone };
      }),
      ...((server.compiled.values.get("hot_standby_overrides") as readonly string[] | undefined) ?? [])
        .filter((path) => path !== "")
        .map((path) => ({ path, what: "hot_standby_overrides", alone: true })),
    ]),
  ];
}
