/**
 * pgmoneta's encrypted file, which is one AES-GCM message, of any size that the mode allows and in bounded memory:
 * salt(16) ‖ IV(12) ‖ ciphertext ‖ tag(16). Its clear bytes are proven only when its tag was seen, at the end: who
 * takes them before must be able to take them back.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { NONCE_LENGTH, TAG_LENGTH, type Cipher } from "./cipher.ts";
import { encryptionErrors } from "./errors.ts";
import { messageKey, type MasterKey } from "./master-key.ts";

const SALT_LENGTH = 16;

/** Bytes before the ciphertext. */
export const MESSAGE_HEADER_LENGTH = SALT_LENGTH + NONCE_LENGTH;
/** Bytes that sealing adds to a message. */
export const MESSAGE_OVERHEAD = MESSAGE_HEADER_LENGTH + TAG_LENGTH;
/** Longest message that GCM seals under one nonce (NIST SP 800-38D, 5.2.1.1): 64 GiB less 32 bytes. */
export const LONGEST_MESSAGE = 2 ** 36 - 32;

export interface MessageSealer {
  /** The bytes that begin the file. */
  header(): Buffer;
  update(plain: Uint8Array): Buffer;
  /** The tag, which ends the file. */
  finish(): Buffer;
}

/** Seals one message whose bytes come in pieces. @throws ENCRYPTION_MESSAGE_TOO_LONG with the piece that is too much */
export function createMessageSealer(masterKey: MasterKey, mode: Cipher): MessageSealer {
  const salt = randomBytes(SALT_LENGTH);
  const nonce = randomBytes(NONCE_LENGTH);
  const cipher = createCipheriv(mode, messageKey(masterKey, mode, salt), nonce, { authTagLength: TAG_LENGTH });
  let length = 0;
  return {
    header: () => Buffer.concat([salt, nonce]),
    update(plain) {
      length += plain.length;
      if (length > LONGEST_MESSAGE) {
        throw encryptionErrors.messageTooLong(`a message of more than ${LONGEST_MESSAGE} bytes cannot be sealed`);
      }
      return cipher.update(plain);
    },
    finish() {
      cipher.final();
      return cipher.getAuthTag();
    },
  };
}

export interface MessageOpener {
  /** Clear bytes that are not proven yet. */
  update(sealed: Uint8Array): Buffer;
  /** @throws ENCRYPTION_NOT_AUTHENTIC when the master key or the mode is another one, or bytes were changed */
  finish(tag: Uint8Array): void;
}

/** Opens the message that begins with `header`. */
export function createMessageOpener(masterKey: MasterKey, mode: Cipher, header: Uint8Array): MessageOpener {
  if (header.length !== MESSAGE_HEADER_LENGTH)
    throw encryptionErrors.malformed("encrypted message ends within its header");
  const key = messageKey(masterKey, mode, header.subarray(0, SALT_LENGTH));
  const nonce = header.subarray(SALT_LENGTH);
  const decipher = createDecipheriv(mode, key, nonce, { authTagLength: TAG_LENGTH });
  return {
    update: (sealed) => decipher.update(sealed),
    finish(tag) {
      decipher.setAuthTag(tag);
      try {
        decipher.final();
      } catch (error) {
        throw encryptionErrors.notAuthentic("encrypted message does not match its tag", {}, error);
      }
    },
  };
}
