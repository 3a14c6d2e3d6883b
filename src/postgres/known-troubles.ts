/** Minor versions of PostgreSQL that are known to harm what a backup is made of, from its release notes. */
import { formatVersion } from "./version.ts";

interface KnownTrouble {
  readonly major: number;
  /** The first minor version without it. */
  readonly fixedIn: number;
  readonly what: string;
}

export const knownTroubles: readonly KnownTrouble[] = [
  // Release notes of 14.4, first entry.
  { major: 14, fixedIn: 4, what: "CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY can make damaged indexes, which every backup has as well" },
  // Release notes of 17.8 and 18.2: "Fix incorrect handling of incremental backups of large tables".
  { major: 17, fixedIn: 8, what: "an incremental backup of a table above 1 GB that VACUUM has truncated cannot be combined" },
  { major: 18, fixedIn: 2, what: "an incremental backup of a table above 1 GB that VACUUM has truncated cannot be combined" },
];

/** What is known against a version, with the minor version that has it fixed; `version` as `server_version_num`. */
export function troubleOf(version: number): { readonly what: string; readonly fixedIn: string } | undefined {
  const [major, minor] = [Math.trunc(version / 10_000), version % 10_000];
  const trouble = knownTroubles.find((each) => each.major === major && minor < each.fixedIn);
  return trouble === undefined ? undefined : { what: trouble.what, fixedIn: formatVersion(major * 10_000 + trouble.fixedIn) };
}
