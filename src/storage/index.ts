/** Where bytes rest: the contract of a storage, its local driver, and the names that mean "not there". */
export { storageErrors } from "./errors.ts";
export type { FileCalls } from "./local/file-calls.ts";
export { systemCalls, writeFully } from "./local/file-calls.ts";
export { blockingCalls } from "./local/blocking-calls.ts";
export type { LocalStorageOptions } from "./local/local-storage.ts";
export { openLocalStorage } from "./local/local-storage.ts";
export { openReserve, reserveName } from "./local/reserve.ts";
export type { Reserve, ReserveState } from "./local/reserve.ts";
export type { Entry, EntryFacts, EntryKind, LocalStorage, Removal, ReplacedLink, SharedFile, Space, Storage, StoredTree } from "./storage.ts";
export type { ByteSink, CommitOptions, DurableSink, RandomReader } from "./streams.ts";
export { storageError } from "./system-error.ts";
export { hiddenName, nameState, temporaryName } from "./temporary-name.ts";
export type { NameState } from "./temporary-name.ts";
