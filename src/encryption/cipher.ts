/** Encryption modes: AES in Galois/counter mode (NIST SP 800-38D) with three key lengths. */

export const encryptionModes = ["none", "aes-256-gcm", "aes-192-gcm", "aes-128-gcm"] as const;
export type EncryptionMode = (typeof encryptionModes)[number];
export type Cipher = Exclude<EncryptionMode, "none">;

/** What an encrypted file's name ends with, after the suffix of the compression. */
export const ENCRYPTION_SUFFIX = ".aes";

/** Bytes of the authentication tag, always the full length. */
export const TAG_LENGTH = 16;
/** Bytes of the nonce; the only length that GCM uses as it is. */
export const NONCE_LENGTH = 12;

/** Bytes of the key of each cipher. */
export const keyLength: Readonly<Record<Cipher, number>> = { "aes-256-gcm": 32, "aes-192-gcm": 24, "aes-128-gcm": 16 };
