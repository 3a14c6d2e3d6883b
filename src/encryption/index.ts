export * from "./errors.ts";
export * from "./cipher.ts";
export { deriveMasterKey, openMessage, sealMessage, type MasterKey } from "./master-key.ts";
export * from "./message-stream.ts";
export * from "./data-key.ts";
export * from "./container.ts";
