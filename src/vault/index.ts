export { vaultErrors } from "./errors.ts";
export {
  checkPassphrase,
  createMasterKey,
  masterKeyExists,
  printOfMasterKey,
  readMasterKey,
  readMasterKeyLines,
  type StoredMasterKey,
} from "./master-key.ts";
export {
  createNextMasterKey,
  keptMasterKeys,
  masterKeySource,
  readMasterKeys,
  refuseLinkedMasterKey,
  refuseUnfinishedRotation,
  retirePreviousMasterKey,
  rotationFiles,
  rotationState,
  switchMasterKey,
  type RotationState,
} from "./master-key-set.ts";
export { generatePassword, longestGenerated } from "./password.ts";
export {
  addUser,
  changeRole,
  decryptAdmins,
  decryptUsers,
  editUser,
  openUsersFile,
  readUsers,
  reencryptUsers,
  removeUser,
  userNames,
  whileDirectoriesAreOurs,
  whileUsersFileIsOurs,
  type Admin,
  type UsersFile,
} from "./users-file.ts";
