/** WAL of one server: received durably, then archived. */
export { walErrors } from "./errors.ts";
export { systemSegmentCalls, type SegmentCalls } from "./segment-calls.ts";
export { receiverTable, type ReceiverInput, type ReceiverState } from "./receiver-state.ts";
export type { ReceiverDependencies, ReceiverEvent, ReceiverOptions } from "./receiver-options.ts";
export { runReceiver } from "./receiver.ts";
export { runSlotHolder, type HoldDependencies, type StoredElsewhere } from "./hold-slot.ts";
export { runSecondCopy, type SecondCopyDependencies, type SecondCopyOptions, type SecondCopyResult } from "./second-copy.ts";
export { pruneSecondCopy } from "./second-copy-prune.ts";
export { runArchiver, type SegmentHooks, type ArchiverDependencies, type ArchiverKeys, type ArchiverOptions, type ArchiverResult } from "./archiver.ts";
export type { ReceivingAt } from "./stale-partial.ts";
export { acceptLineage, type AcceptedLineage, type LineageOptions } from "./accept-lineage.ts";
export { pushWal } from "./push-wal.ts";
export type { PushedWal, WalPush, WalPushDependencies } from "./push-options.ts";
