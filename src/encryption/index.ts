export * from "./errors.ts";
export * from "./cipher.ts";
export {
  deriveMasterKey,
  keysOfSet,
  openMessage,
  sameMasterKey,
  sealMessage,
  type MasterKey,
  type MasterKeySet,
  type MasterKeySource,
} from "./master-key.ts";
export * from "./message-stream.ts";
export * from "./data-key.ts";
export * from "./container.ts";
