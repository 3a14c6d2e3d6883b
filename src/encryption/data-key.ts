/**
 * Data keys: random, one in use per server, known by an id that every encrypted file carries. They are stored
 * wrapped by the master key, so that a new master key rewraps a few lines and rewrites no backup.
 */
import { randomBytes } from "node:crypto";
import { encryptionErrors } from "./errors.ts";
import { type MasterKey, openMessage, sealMessage } from "./master-key.ts";

const ID_LENGTH = 16;
const SECRET_LENGTH = 32;
const VERSION = "v1";

export interface DataKey {
  /** 32 lower-case hexadecimal digits. Not secret. */
  readonly id: string;
  /** 32 bytes; never logged, never stored unwrapped. */
  readonly secret: Buffer;
}

/** Finds data keys by their id; what pgmoneta encrypted is opened with the master key itself. */
export interface KeyRing {
  (id: string): DataKey | undefined;
  readonly master?: MasterKey | undefined;
}

/** A fresh data key from the system's random source. */
export function createDataKey(): DataKey {
  return { id: randomBytes(ID_LENGTH).toString("hex"), secret: randomBytes(SECRET_LENGTH) };
}

/** One line of text, `v1:<id>:<base64>`: id and secret sealed together with AES-256-GCM under the master key. */
export function wrapDataKey(masterKey: MasterKey, key: DataKey): string {
  const sealed = sealMessage(masterKey, "aes-256-gcm", Buffer.concat([Buffer.from(key.id, "hex"), key.secret]));
  return `${VERSION}:${key.id}:${sealed.toString("base64")}`;
}

/**
 * The data key of a line that `wrapDataKey` wrote.
 * @throws ENCRYPTION_MALFORMED, or ENCRYPTION_NOT_AUTHENTIC when the master key is another one
 */
export function unwrapDataKey(masterKey: MasterKey, text: string): DataKey {
  const match = /^v1:([0-9a-f]{32}):([A-Za-z0-9+/]+={0,2})$/.exec(text.trim());
  const [, id, sealed] = match ?? [];
  if (id === undefined || sealed === undefined)
    throw encryptionErrors.malformed("wrapped data key is not of the form v1:id:base64");
  let plain: Buffer;
  try {
    plain = openMessage(masterKey, "aes-256-gcm", Buffer.from(sealed, "base64"));
  } catch (error) {
    if (!encryptionErrors.notAuthentic.is(error)) throw error;
    throw encryptionErrors.notAuthentic(
      `data key ${id} was not wrapped by this master key, or was changed`,
      { id },
      error,
    );
  }
  // The id travels inside as well, so that two lines cannot swap their names.
  if (plain.length !== ID_LENGTH + SECRET_LENGTH || plain.subarray(0, ID_LENGTH).toString("hex") !== id) {
    throw encryptionErrors.notAuthentic(`wrapped data key ${id} holds another key`, { id });
  }
  return { id, secret: plain.subarray(ID_LENGTH) };
}
