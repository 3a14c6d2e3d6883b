/** A backup as one file: a tar archive of the cluster that a restore would write. */
export { archive } from "./archive.ts";
export type {
  ArchivedCluster,
  ArchiveDependencies,
  ArchiveOptions,
  ArchiveProgress,
  ArchiveResult,
  MemberSink,
} from "./archive-options.ts";
export { ownAccount } from "./owner.ts";
export { archiveErrors } from "./errors.ts";
