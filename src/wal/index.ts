/** WAL of one server: received durably, then archived. */
export { walErrors } from "./errors.ts";
export { receiverTable, type ReceiverInput, type ReceiverState } from "./receiver-state.ts";
export type { ReceiverDependencies, ReceiverEvent, ReceiverOptions } from "./receiver-options.ts";
export { runReceiver } from "./receiver.ts";
export { runSecondCopy, type SecondCopyDependencies, type SecondCopyOptions, type SecondCopyResult } from "./second-copy.ts";
export { pruneSecondCopy } from "./second-copy-prune.ts";
export { runArchiver, type ArchiverDependencies, type ArchiverOptions, type ArchiverResult } from "./archiver.ts";
