/** Errors of the rotation of keys. */
import { defineErrors } from "../common/index.ts";

export const keysErrors = defineErrors({
  unreachable: {
    code: "KEYS_UNREACHABLE",
    exit: 1,
    retryable: true,
    hint: "Mount it, or make it readable, and repeat the command. With --without <directory> it is left out: its keys stay wrapped by the old master key, which is then kept beside the new one.",
  },
  damaged: {
    code: "KEYS_DAMAGED",
    exit: 1,
    retryable: false,
    hint: "Nothing was changed. Put the named file back from a copy, or the master key that it was wrapped with; a file that nothing needs can be moved away.",
  },
  notWritable: {
    code: "KEYS_NOT_WRITABLE",
    exit: 1,
    retryable: false,
    hint: "Nothing was changed. Run the command as the account that owns the named file, or give that account the right to replace it.",
  },
  cutOff: {
    code: "KEYS_ROTATION_CUT_OFF",
    exit: 1,
    retryable: true,
    hint: "Nothing is lost: the old key and the new one are both there, and everything is read with them. Repeat the command, which goes on where it was cut off.",
  },
  otherRotation: {
    code: "KEYS_OTHER_ROTATION",
    exit: 1,
    retryable: false,
    hint: "Repeat the command without a pass phrase to finish the rotation that was begun; then rotate once more to the other pass phrase.",
  },
  samePassphrase: {
    code: "KEYS_SAME_PASSPHRASE",
    exit: 1,
    retryable: false,
    hint: "Nothing was changed. Choose another pass phrase, or let one be made with -g.",
  },
});
