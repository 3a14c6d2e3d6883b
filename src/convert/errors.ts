/** Why a file is not compressed, decompressed, encrypted or decrypted. */
import { defineErrors } from "../common/index.ts";

export const convertErrors = defineErrors({
  noFile: {
    code: "CONVERT_NO_FILE",
    exit: 5,
    retryable: false,
    hint: "Name a file that is there; a relative path counts from where the command is given.",
  },
  refused: {
    code: "CONVERT_REFUSED",
    exit: 6,
    retryable: false,
    hint: "Only ordinary files outside of the repository are converted; the message says what is in the way.",
  },
  name: {
    code: "CONVERT_NAME",
    exit: 2,
    retryable: false,
    hint: "The suffixes are .gz, .zstd, .lz4 and .bz2 for compression and .aes, behind them, for encryption: decrypt first, then decompress.",
  },
  tooLarge: {
    code: "CONVERT_TOO_LARGE",
    exit: 6,
    retryable: false,
    hint: "An encrypted file of pgmoneta's form is one AES-GCM message: compress the file first, or cut it into parts.",
  },
  changed: {
    code: "CONVERT_FILE_CHANGED",
    exit: 75,
    retryable: true,
    hint: "Somebody writes to the file. It was left as it is; convert it when it rests.",
  },
  noSpace: {
    code: "CONVERT_NO_SPACE",
    exit: 30,
    retryable: true,
    hint: "The file and its new form lie beside each other until the new one is proven: free that much space.",
  },
  unproven: {
    code: "CONVERT_UNPROVEN",
    exit: 80,
    retryable: true,
    hint: "What was written does not read back as it should, and was removed; the file is as it was. Check the disk and the memory of this machine.",
  },
  damaged: {
    code: "CONVERT_FILE_DAMAGED",
    exit: 80,
    retryable: false,
    hint: "The file is not what its suffix says, was cut or changed, or was encrypted with another master key. It was left as it is.",
  },
  failed: {
    code: "CONVERT_FAILED",
    exit: 1,
    retryable: true,
    hint: "The system refused a step: look at the permissions of the file and its directory, as the account of the daemon sees them.",
  },
});
