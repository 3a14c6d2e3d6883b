/** Where the tablespaces of a restored cluster shall lie, when not beside it: named by name or by OID, or all in one place. */
import { isAbsolute, join, normalize } from "node:path";
import type { MonetaError } from "../common/index.ts";
import type { BackupTablespace } from "../repository/index.ts";
import { restoreErrors } from "./errors.ts";

export interface TablespaceMap {
  /** Each tablespace, by its name or OID, with its directory, absolute. */
  readonly each: readonly MappedTablespace[];
  /** Absolute: all others lie in directories of it. */
  readonly all?: string | undefined;
}

export interface MappedTablespace {
  readonly tablespace: string;
  readonly directory: string;
}

export const noTablespaceMap: TablespaceMap = { each: [] };

export interface PlacedTablespaces {
  /** Undefined where the map says nothing, or nothing that can be done. */
  readonly placeOf: (tablespace: BackupTablespace) => string | undefined;
  readonly problems: readonly MonetaError[];
}

/** Applies the map to the tablespaces of a backup. `besideName` is what a directory is called that has no own name. */
export function placeTablespaces(
  tablespaces: readonly BackupTablespace[],
  { each, all }: TablespaceMap,
  besideName: (tablespace: BackupTablespace) => string,
): PlacedTablespaces {
  const places = new Map<number, string>();
  const problems: MonetaError[] = [];
  const refuse = (why: string): void => void problems.push(restoreErrors.tablespaceMap(why));
  const known = tablespaces.map(({ name, oid }) => `${name} (${oid})`).join(", ");
  for (const { tablespace, directory } of each) {
    const named = tablespaces.filter(({ name, oid }) => name === tablespace || String(oid) === tablespace);
    const [found, other] = named;
    if (!isAbsolute(directory)) refuse(`the directory "${directory}" for tablespace "${tablespace}" is not absolute`);
    else if (found === undefined) {
      refuse(`the backup has no tablespace "${tablespace}"; ${known === "" ? "it has none at all" : `it has ${known}`}`);
    } else if (other !== undefined) refuse(`"${tablespace}" is the name of one tablespace and the OID of another`);
    else if (!isOutside(found)) refuse(`tablespace "${found.name}" lies inside the data directory and stays there`);
    else if (places.has(found.oid)) refuse(`tablespace "${found.name}" is mapped twice`);
    else places.set(found.oid, withoutSlash(directory));
  }
  if (all !== undefined && !isAbsolute(all)) refuse(`the directory "${all}" for all tablespaces is not absolute`);
  const placeOf = (tablespace: BackupTablespace): string | undefined => {
    if (!isOutside(tablespace)) return undefined;
    return places.get(tablespace.oid) ?? (all === undefined ? undefined : join(all, besideName(tablespace)));
  };
  return { placeOf, problems };
}

const isOutside = ({ location }: BackupTablespace): boolean => location.startsWith("/");

const withoutSlash = (path: string): string => normalize(path).replace(/(?<=.)\/+$/, "");
