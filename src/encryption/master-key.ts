/**
 * The master key and messages sealed with it, as pgmoneta 0.22 does it, so that users files, admins files and
 * encrypted management frames are exchangeable.
 */
import { createCipheriv, createDecipheriv, createHash, pbkdf2, pbkdf2Sync, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { type Cipher, type EncryptionMode, keyLength, NONCE_LENGTH, TAG_LENGTH } from "./cipher.ts";
import { encryptionErrors } from "./errors.ts";

const ITERATIONS = 600_000;
/** Bytes of the derived key material. */
export const MATERIAL_LENGTH = 64;
const SALT_LENGTH = 16;
/** pgmoneta derives key and IV room per message in one go and uses the beginning as the key. */
const MESSAGE_DERIVED_LENGTH = 80;

/** Key material derived from the passphrase of `master.key`; derive once a process, it costs a tenth of a second. */
export interface MasterKey {
  /** 64 bytes; never logged, never written. */
  readonly material: Buffer;
}

/** The master keys that the files of this account hold at one moment. */
export interface MasterKeySet {
  /** The one in use: what is sealed from now on is sealed with it. */
  readonly current: MasterKey;
  /** The one that a rotation, which has not come that far, will put in its place: what is wrapped now is wrapped for both. */
  readonly next?: MasterKey | undefined;
  /** Those that were replaced and are kept for what has not been rewrapped yet. */
  readonly former: readonly MasterKey[];
}

/** The master key as a process got it, and how to ask again: it may have been rotated since. */
export interface MasterKeySource {
  /** Undefined when there was none, or when nobody has looked yet. */
  readonly known?: MasterKey | undefined;
  /** What the files hold now; about 0.2 s a key. Throws the errors of the vault. */
  readonly read: () => Promise<MasterKeySet>;
}

/** Every key of a set, the likeliest first. */
export function keysOfSet({ current, next, former }: MasterKeySet): readonly MasterKey[] {
  return [current, ...(next === undefined ? [] : [next]), ...former];
}

/** Whether two are the same key. */
export function sameMasterKey(one: MasterKey, other: MasterKey): boolean {
  return one.material.equals(other.material);
}

/**
 * Key material from the passphrase and the 16-byte salt of `master.key`: PBKDF2-HMAC-SHA256 (RFC 8018),
 * 600,000 iterations, 64 bytes.
 */
export function deriveMasterKey(passphrase: Buffer | string, salt: Buffer): Promise<MasterKey> {
  const name = createHash("sha256").update(salt).update(passphrase).digest("hex");
  const known = derived.get(name);
  // The latest stands last.
  derived.delete(name);
  const key = known ?? derive(passphrase, salt);
  derived.set(name, key);
  key.catch(() => derived.delete(name));
  if (derived.size > mostDerived) for (const oldest of derived.keys()) if (derived.delete(oldest)) break;
  return key;
}

/** Files are read again and again, to see whether a key was rotated; as long as they hold the same, it is derived once. */
const derived = new Map<string, Promise<MasterKey>>();
const mostDerived = 8;

async function derive(passphrase: Buffer | string, salt: Buffer): Promise<MasterKey> {
  return { material: await promisify(pbkdf2)(passphrase, salt, ITERATIONS, MATERIAL_LENGTH, "sha256") };
}

/** The key of the message with this salt. */
export function messageKey(masterKey: MasterKey, cipher: Cipher, salt: Uint8Array): Buffer {
  // One iteration: the password is already 64 bytes of key material.
  return pbkdf2Sync(masterKey.material, salt, 1, MESSAGE_DERIVED_LENGTH, "sha256").subarray(0, keyLength[cipher]);
}

/** salt(16) ‖ IV(12) ‖ ciphertext ‖ tag(16); with mode `none` the bytes themselves. */
export function sealMessage(masterKey: MasterKey, mode: EncryptionMode, plain: Uint8Array): Buffer {
  if (mode === "none") return Buffer.from(plain);
  const salt = randomBytes(SALT_LENGTH);
  const nonce = randomBytes(NONCE_LENGTH);
  const cipher = createCipheriv(mode, messageKey(masterKey, mode, salt), nonce, { authTagLength: TAG_LENGTH });
  const body = cipher.update(plain);
  cipher.final();
  return Buffer.concat([salt, nonce, body, cipher.getAuthTag()]);
}

/**
 * The bytes that `sealMessage`, or pgmoneta, sealed.
 * @throws ENCRYPTION_MALFORMED when too short, ENCRYPTION_NOT_AUTHENTIC for another key or changed bytes
 */
export function openMessage(masterKey: MasterKey, mode: EncryptionMode, sealed: Uint8Array): Buffer {
  if (mode === "none") return Buffer.from(sealed);
  const bodyAt = SALT_LENGTH + NONCE_LENGTH;
  const tagAt = sealed.length - TAG_LENGTH;
  if (tagAt < bodyAt) throw encryptionErrors.malformed(`encrypted message of ${sealed.length} bytes is too short`);
  const key = messageKey(masterKey, mode, sealed.subarray(0, SALT_LENGTH));
  const decipher = createDecipheriv(mode, key, sealed.subarray(SALT_LENGTH, bodyAt), { authTagLength: TAG_LENGTH });
  decipher.setAuthTag(sealed.subarray(tagAt));
  const plain = decipher.update(sealed.subarray(bodyAt, tagAt));
  try {
    decipher.final();
  } catch (error) {
    throw encryptionErrors.notAuthentic("encrypted message does not match its tag", {}, error);
  }
  return plain;
}
