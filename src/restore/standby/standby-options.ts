/** What bringing a copy up to date is told, and what it tells. */
import type { RestoreOptions } from "../restore-options.ts";

export interface StandbyOptions extends Omit<RestoreOptions, "position" | "copyWal" | "walTo" | "searchBytes" | "directory"> {
  /** `hot_standby`: the copy is `<directory>/<server>`; absolute. */
  readonly directory: string;
  /** Directory whose files are laid over the copy; absolute. */
  readonly overrides?: string | undefined;
  /** Of the repository: a copy of another one's is not touched. */
  readonly repositoryId?: string | undefined;
}

export interface StandbyResult {
  readonly label: string;
  /** The data directory. */
  readonly directory: string;
  /** False: it was that of this backup already, and nothing was touched. */
  readonly refreshed: boolean;
  /** What it takes on disk, bytes. */
  readonly size: number;
  /** Bytes that were written, WAL and configuration included. */
  readonly written: number;
  /** Files of the backup by what became of them. */
  readonly files: { readonly untouched: number; readonly same: number; readonly changed: number; readonly removed: number };
  readonly notes: readonly string[];
}
