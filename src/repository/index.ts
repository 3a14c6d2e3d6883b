/** What is stored and where: layout, backups, their metadata, WAL, data keys, and who owns it. */
export { repositoryErrors } from "./errors.ts";
export * from "./layout.ts";
export * from "./hash-algorithm.ts";
export type * from "./backup-info.ts";
export { largestDamagedFiles, noTimings } from "./backup-info.ts";
export { formatBackupInfo, ownWriter } from "./backup-info-format.ts";
export { parseBackupInfo } from "./backup-info-parse.ts";
export { compressionCode, encryptionCode } from "./backup-info-values.ts";
export * from "./backup-order.ts";
export * from "./label.ts";
export { openCatalog } from "./catalog.ts";
export type { Catalog, CatalogEntry } from "./catalog.ts";
export { removeLeftover } from "./leftovers.ts";
export type { Leftover } from "./leftovers.ts";
export * from "./metadata.ts";
export { openBackupChain, readClusterEntries } from "./backup-chain.ts";
export { readForeignBackup } from "./foreign-backup.ts";
export { readForeignDigests } from "./foreign-digest-list.ts";
export { openBackupChunks, readBackupFile, storedFileFacts } from "./read-backup-file.ts";
export type { BackupSource, KeyRing, StoredFileFacts } from "./read-backup-file.ts";
export { readSegment } from "./read-segment.ts";
export type { ReadSegment, SegmentSink, WalSource } from "./read-segment.ts";
export * from "./deletion.ts";
export { takeOverLinks } from "./take-over-links.ts";
export type { TakenOver } from "./take-over-links.ts";
export * from "./drill-records.ts";
export * from "./schedule-records.ts";
export type { LineFileMeasures } from "./line-writer.ts";
export * from "./backup-manifest.ts";
export * from "./digest-list.ts";
export type * from "./chunk-index.ts";
export { createChunkIndexWriter } from "./chunk-index-writer.ts";
export type { ChunkIndexWriter } from "./chunk-index-writer.ts";
export { readChunkIndex } from "./chunk-index-reader.ts";
export type { ChunkIndexHandlers } from "./chunk-index-reader.ts";
export { openChunkLookup } from "./chunk-lookup.ts";
export type { ChunkLookup } from "./chunk-lookup.ts";
export { measureSharing } from "./shared-bytes.ts";
export type { BackupSharing } from "./shared-bytes.ts";
export { archivedSuffixes, walFileFromName } from "./wal-file.ts";
export type { WalFile, WalForm } from "./wal-file.ts";
export type { WalRecord } from "./wal-index.ts";
export type { WalGap, WalGaps } from "./wal-gaps.ts";
export { isWithin, joinRanges, withoutRanges } from "./wal-pruned.ts";
export type { WalPruned, WalRange } from "./wal-pruned.ts";
export { openWalCoverage } from "./wal-coverage.ts";
export type { WalCoverage, WalCoverageStore } from "./wal-coverage.ts";
export type { WalHistories } from "./wal-histories.ts";
export type { OpenSegment, WalLocation } from "./wal-locate.ts";
export { asideCopies, unsyncedSuffix } from "./wal-aside.ts";
export type { AsideCopy } from "./wal-aside.ts";
export { endOfPartial, partialHoldsAll } from "./wal-partial.ts";
export type { Continuity, WalStretchWanted } from "./wal-continuity.ts";
export { openWalInventory } from "./wal-inventory.ts";
export type { SecondCopy } from "./wal-second.ts";
export { readSecondCopyNote, writeSecondCopyNote } from "./second-copy-note.ts";
export type { WalEnd, WalInventory, WalStretch } from "./wal-inventory.ts";
export * from "./wal-needs.ts";
export { openVerifications } from "./verifications.ts";
export type { NotedFinding, UnfinishedVerification, Verification, Verifications, VerificationStore } from "./verifications.ts";
export { openWalPushes, type WalConflict, type WalPushes, type WalPushStore } from "./wal-pushes.ts";
export { readAllDataKeys } from "./all-data-keys.ts";
export {
  listRepositoryNotes,
  parseRepositoryNote,
  repositoryNotePath,
  type FoundNote,
  type RepositoryNote,
} from "./repository-note.ts";
export { openDataKeys } from "./data-keys.ts";
export type { DataKeyStore, RotatedKey } from "./data-keys.ts";
export * from "./repository-id.ts";
export { acquireOwnerLock } from "./owner-lock.ts";
export type { OwnerLock, OwnerLockOptions } from "./owner-lock.ts";
export { openServerIdentity } from "./server-identity.ts";
export { identityOfStoredWal } from "./wal-identity.ts";
export { changeLineage, finishLineageChange, formerLineages, layoutOfLineage } from "./lineages.ts";
export type { ServerIdentity, ServerIdentityStore } from "./server-identity.ts";
