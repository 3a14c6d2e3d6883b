export { vaultErrors } from "./errors.ts";
export { createMasterKey, masterKeyExists, readMasterKey } from "./master-key.ts";
export { generatePassword, longestGenerated } from "./password.ts";
export {
  addUser,
  decryptUsers,
  editUser,
  openUsersFile,
  readUsers,
  removeUser,
  userNames,
  whileUsersFileIsOurs,
  type UsersFile,
} from "./users-file.ts";
