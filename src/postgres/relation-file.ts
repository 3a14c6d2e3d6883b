/**
 * Which files of a data directory hold pages of relations, by their path alone (PostgreSQL manual, "Database File
 * Layout"; `parse_filename_for_nontemp_relation`). Only these carry page checksums: not the control file, the maps
 * (`pg_filenode.map`), the transaction status directories, `PG_VERSION`, nor the `INCREMENTAL.` files of a backup.
 */

export type RelationFork = "main" | "fsm" | "vm" | "init";

export interface RelationFile {
  /** Undefined for the default tablespace, for global/ and where the archive of one tablespace is read by itself. */
  readonly tablespace?: number;
  /** Object identifier of the database; 0 for the shared relations of global/. */
  readonly database: number;
  /** `relfilenode`. */
  readonly node: number;
  readonly fork: RelationFork;
  /** 0 for the first file of the relation, N for the file that ends in `.N`. */
  readonly segment: number;
}

const location =
  /^(?:global|base\/([0-9]{1,10})|(?:pg_tblspc\/([0-9]{1,10})\/)?PG_[0-9]+(?:\.[0-9]+)?_[0-9]+\/([0-9]{1,10}))\/([^/]+)$/;
const fileName = /^([1-9][0-9]{0,9})(?:_(fsm|vm|init))?(?:\.([1-9][0-9]{0,6}))?$/;
const greatestOid = 0xffff_ffff;

/**
 * What the file at `path` (relative to the data directory, or to a tablespace for the archive of one tablespace)
 * holds; undefined when it is not part of a permanent relation.
 */
export function parseRelationPath(path: string): RelationFile | undefined {
  const place = location.exec(path);
  const name = fileName.exec(place?.[4] ?? "");
  if (place === null || name === null) return undefined;
  const [, node, fork, segment] = name;
  const database = Number(place[1] ?? place[3] ?? 0);
  const tablespace = place[2] === undefined ? {} : { tablespace: Number(place[2]) };
  if (Number(node) > greatestOid || database > greatestOid) return undefined;
  return {
    ...tablespace,
    database,
    node: Number(node),
    fork: (fork as RelationFork | undefined) ?? "main",
    segment: Number(segment ?? 0),
  };
}

/** True when the file consists of pages that carry a checksum if the cluster has them switched on. */
export function isRelationFile(path: string): boolean {
  return parseRelationPath(path) !== undefined;
}
