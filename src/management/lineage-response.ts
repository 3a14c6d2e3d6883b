/** Answer of `lineage`, which is ours: the clusters that a server was. */
import type { JsonObject } from "./json.ts";
import type { Bytes, ServerIdentity, Warnings } from "./summaries.ts";

export interface LineageSummary {
  readonly systemIdentifier: string;
  /** Whether its WAL is the one that is received. */
  readonly present: boolean;
  /** Bytes of a WAL segment. */
  readonly segmentSize: number;
  /** Of its WAL as it is stored. */
  readonly walBytes: Bytes;
  /** Its backups, oldest first. */
  readonly backups: readonly { readonly label: string; readonly valid: boolean; readonly majorVersion: number }[];
}

export interface LineagesSummary {
  /** The present one first. */
  readonly lineages: readonly LineageSummary[];
  /** System identifier of the cluster that answers at the address and is not accepted. */
  readonly stranger: string | undefined;
  /** What was just changed. */
  readonly accepted: { readonly from: string; readonly to: string; readonly returned: boolean } | undefined;
  readonly warnings: Warnings;
}

export function lineageResponse(server: ServerIdentity, { accepted, lineages, stranger, warnings }: LineagesSummary): JsonObject {
  return {
    Server: server.server,
    MajorVersion: server.majorVersion,
    MinorVersion: server.minorVersion,
    Lineages: lineages.map(({ backups, present, segmentSize, systemIdentifier, walBytes }) => ({
      SystemIdentifier: systemIdentifier,
      Present: present,
      SegmentSize: segmentSize,
      WALBytes: walBytes,
      NumberOfBackups: backups.length,
      ValidBackups: backups.filter(({ valid }) => valid).length,
      Oldest: backups[0]?.label ?? null,
      Newest: backups.at(-1)?.label ?? null,
      NewestMajorVersion: backups.at(-1)?.majorVersion ?? null,
    })),
    Stranger: stranger ?? null,
    Accepted: accepted === undefined ? null : { From: accepted.from, To: accepted.to, Returned: accepted.returned },
    Warnings: warnings,
  };
}
