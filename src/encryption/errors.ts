import { defineErrors } from "../common/index.ts";

/** What can go wrong between clear bytes and sealed ones. */
export const encryptionErrors = defineErrors({
  /** The tag does not match: another key, or changed bytes. The two cannot be told apart. */
  notAuthentic: {
    code: "ENCRYPTION_NOT_AUTHENTIC",
    exit: 70,
    retryable: false,
    hint: "The bytes were changed, or were encrypted with another master key: check the master key file and the storage.",
  },
  /** Not the format at all, or a version this program does not know. */
  malformed: {
    code: "ENCRYPTION_MALFORMED",
    exit: 71,
    retryable: false,
    hint: "The file is not one of Moneta's encrypted files, or is cut: check the storage and use another backup.",
  },
  /** The data key that the file names is not at hand. */
  keyUnknown: {
    code: "ENCRYPTION_KEY_UNKNOWN",
    exit: 72,
    retryable: false,
    hint: "Restore the data keys of this server beside its repository; without them its encrypted files are unreadable.",
  },
  /** More than one AES-GCM message can hold. */
  messageTooLong: {
    code: "ENCRYPTION_MESSAGE_TOO_LONG",
    exit: 74,
    retryable: false,
    hint: "Compress the file first, or cut it into parts: pgmoneta's form of an encrypted file holds 64 GiB less 32 bytes.",
  },
  /** A call that makes no sense, for example sealing after the last chunk. */
  misused: {
    code: "ENCRYPTION_MISUSED",
    exit: 73,
    retryable: false,
    hint: "This is a defect of Moneta: report it with the log of the daemon.",
  },
});
