/** Errors of the master key and of the files with users and admins. */
import { defineErrors } from "../common/index.ts";

export const vaultErrors = defineErrors({
  masterKeyMissing: {
    code: "MASTER_KEY_MISSING",
    exit: 1,
    retryable: false,
    hint: "Create it with: moneta-admin master-key. Data encrypted under a key that was lost cannot be read again.",
  },
  masterKeyExists: {
    code: "MASTER_KEY_EXISTS",
    exit: 1,
    retryable: false,
    hint: "Keep it: everything encrypted so far needs it. Move it away only if nothing does.",
  },
  masterKeyDamaged: {
    code: "MASTER_KEY_DAMAGED",
    exit: 1,
    retryable: false,
    hint: "Put the file back from where you keep a copy of it: two lines, the pass phrase and a salt of 16 bytes, each in base64.",
  },
  rotationUnfinished: {
    code: "MASTER_KEY_ROTATION_UNFINISHED",
    exit: 1,
    retryable: true,
    hint: "Finish it with `moneta-admin master-key --rotate`, which goes on where it was cut off; then try again.",
  },
  rotationRefused: {
    code: "MASTER_KEY_ROTATION_REFUSED",
    exit: 1,
    retryable: false,
    hint: "Name the file itself as master_key_file in pgmoneta.conf, or put it in the place of the link.",
  },
  unsafePermissions: {
    code: "UNSAFE_PERMISSIONS",
    exit: 1,
    retryable: false,
    hint: "Give the file mode 0600, its directory mode 0700, and both the account that runs the program as owner.",
  },
  unreadable: {
    code: "VAULT_FILE_UNREADABLE",
    exit: 1,
    retryable: false,
    hint: "Check that the path exists and that the account that runs the program may read and write it.",
  },
  entriesDamaged: {
    code: "USERS_FILE_DAMAGED",
    exit: 1,
    retryable: false,
    hint: "Remove the named line and set the password again with moneta-admin user add; with another master key set all of them again.",
  },
  passwordRefused: {
    code: "PASSWORD_REFUSED",
    exit: 1,
    retryable: false,
    hint: "Choose another password, or let one be made with --generate.",
  },
  userNameRefused: {
    code: "USER_NAME_REFUSED",
    exit: 1,
    retryable: false,
    hint: "Choose a name of at most 127 bytes without a colon, line ends and white space around it that does not begin with # or ;.",
  },
  userExists: {
    code: "USER_EXISTS",
    exit: 1,
    retryable: false,
    hint: "Change the password of a user that is there with moneta-admin user edit.",
  },
  locked: {
    code: "USERS_FILE_LOCKED",
    exit: 1,
    retryable: true,
    hint: "Another moneta-admin changes a file of this directory: try again when it has ended.",
  },
  userMissing: {
    code: "USER_MISSING",
    exit: 1,
    retryable: false,
    hint: "List the users with moneta-admin user ls; a new one is made with moneta-admin user add.",
  },
});
