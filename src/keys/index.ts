/** Rotation of the keys that everything encrypted rests on. */
export { keysErrors } from "./errors.ts";
export type { RepositoryPlace } from "./key-stores.ts";
export {
  prepareMasterKeyRotation,
  type MasterKeyRotation,
  type PreparedRotation,
  type RotatedMasterKey,
} from "./rotate-master-key.ts";
