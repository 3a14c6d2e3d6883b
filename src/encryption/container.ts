/**
 * Moneta's encrypted file: a header, then each chunk sealed by itself. Reading by range needs no whole file;
 * cutting, swapping, doubling and extending are detected; no clear byte is released before its tag was checked.
 * Specified in doc/FORMATS.md, section "Encryption container"; the tests run an independent decoder.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { type Cipher, keyLength, NONCE_LENGTH, TAG_LENGTH } from "./cipher.ts";
import type { DataKey } from "./data-key.ts";
import { encryptionErrors } from "./errors.ts";

const MAGIC = Buffer.from("MONETA\0E", "latin1");
const VERSION = 1;
const ALGORITHMS: readonly (Cipher | undefined)[] = [undefined, "aes-256-gcm", "aes-192-gcm", "aes-128-gcm"];
const KEY_INFO = "moneta file v1";
const SALT_LENGTH = 32;
const ID_AT = 12;
const SALT_AT = 28;
const LAST_FLAG = 0x80000000;

/** Bytes before the first frame. */
export const CONTAINER_HEADER_LENGTH = 60;
/** Bytes of the length word that begins each frame. */
export const FRAME_WORD_LENGTH = 4;
/** Bytes that sealing adds to a chunk. */
export const FRAME_OVERHEAD = FRAME_WORD_LENGTH + TAG_LENGTH;
/** Longest frame a reader accepts, so that a changed length word allocates nothing large. */
export const FRAME_LIMIT = 4 * 1024 * 1024;

export interface Sealer {
  /** The bytes that begin the file. */
  header(): Buffer;
  /**
   * The next frame; chunks are numbered from 0 in the order of the calls. After `last` none may follow.
   * A file without bytes is one empty last chunk.
   */
  seal(chunk: Uint8Array, last: boolean): Buffer;
}

export interface Opener {
  readonly mode: Cipher;
  /** Id of the data key. */
  readonly keyId: string;
  readonly headerLength: number;
  /**
   * The clear bytes of one whole frame, its length word included.
   * @throws ENCRYPTION_MALFORMED, ENCRYPTION_NOT_AUTHENTIC when the frame was changed, stood at another place,
   * or is (is not) the last one
   */
  open(frame: Uint8Array, chunkNumber: number, last: boolean): Buffer;
}

function fileKey(cipher: Cipher, key: DataKey, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", key.secret, salt, KEY_INFO, keyLength[cipher]));
}

/** 12-byte big-endian chunk number. Unique per key, because every file has its own key. */
function nonceOf(chunkNumber: number): Buffer {
  const nonce = Buffer.alloc(NONCE_LENGTH);
  nonce.writeBigUInt64BE(BigInt(chunkNumber), NONCE_LENGTH - 8);
  return nonce;
}

/** Header ‖ chunk number ‖ last flag: the tag then vouches for the place of the chunk in this very file. */
function createAssociatedData(header: Uint8Array): (chunkNumber: number, last: boolean) => Buffer {
  const data = Buffer.alloc(CONTAINER_HEADER_LENGTH + 9);
  data.set(header, 0);
  return (chunkNumber, last) => {
    data.writeBigUInt64BE(BigInt(chunkNumber), CONTAINER_HEADER_LENGTH);
    data[CONTAINER_HEADER_LENGTH + 8] = last ? 1 : 0;
    return data;
  };
}

/** Seals the chunks of one file under a key of its own, derived from the data key and a random salt. */
export function createSealer(mode: Cipher, key: DataKey): Sealer {
  const header = Buffer.alloc(CONTAINER_HEADER_LENGTH);
  MAGIC.copy(header);
  header[8] = VERSION;
  header[9] = ALGORITHMS.indexOf(mode);
  header.write(key.id, ID_AT, SALT_AT - ID_AT, "hex");
  randomBytes(SALT_LENGTH).copy(header, SALT_AT);
  const secret = fileKey(mode, key, header.subarray(SALT_AT));
  const associatedData = createAssociatedData(header);
  let next = 0;
  let ended = false;
  return {
    header: () => Buffer.from(header),
    seal(chunk, last) {
      if (ended) throw encryptionErrors.misused("chunk sealed after the last one");
      ended = last;
      const number = next++;
      const cipher = createCipheriv(mode, secret, nonceOf(number), { authTagLength: TAG_LENGTH });
      cipher.setAAD(associatedData(number, last));
      const body = cipher.update(chunk);
      cipher.final();
      const frame = Buffer.allocUnsafe(FRAME_OVERHEAD + body.length);
      const length = body.length + TAG_LENGTH;
      frame.writeUInt32BE(last ? length + LAST_FLAG : length, 0);
      body.copy(frame, FRAME_WORD_LENGTH);
      cipher.getAuthTag().copy(frame, FRAME_WORD_LENGTH + body.length);
      return frame;
    },
  };
}

/**
 * Length of the frame that begins with this word, the word included, and whether it is the last.
 * @throws ENCRYPTION_MALFORMED when it cannot be a frame
 */
export function readFrameWord(word: Uint8Array): { readonly length: number; readonly last: boolean } {
  if (word.length < FRAME_WORD_LENGTH) throw encryptionErrors.malformed("encrypted file ends within a frame");
  const value = new DataView(word.buffer, word.byteOffset, FRAME_WORD_LENGTH).getUint32(0);
  const last = value >= LAST_FLAG;
  const length = FRAME_WORD_LENGTH + (last ? value - LAST_FLAG : value);
  if (length < FRAME_OVERHEAD || length > FRAME_LIMIT)
    throw encryptionErrors.malformed(`frame of ${length} bytes in an encrypted file`);
  return { length, last };
}

/** True when a file begins with these bytes and is Moneta's container (of any version). */
export function isContainer(start: Uint8Array): boolean {
  return start.length >= MAGIC.length && MAGIC.equals(start.subarray(0, MAGIC.length));
}

/** Id of the data key that the file beginning with `header` needs; undefined when that is no header of ours. */
export function containerKeyId(header: Uint8Array): string | undefined {
  if (!isContainer(header) || header.length < CONTAINER_HEADER_LENGTH) return undefined;
  return Buffer.from(header.subarray(ID_AT, SALT_AT)).toString("hex");
}

/**
 * Opens the frames of the file that begins with `header` (60 bytes or more).
 * @throws ENCRYPTION_MALFORMED, ENCRYPTION_KEY_UNKNOWN
 */
export function createOpener(header: Uint8Array, keys: (id: string) => DataKey | undefined): Opener {
  if (!isContainer(header)) throw encryptionErrors.malformed("not an encrypted file of Moneta's format");
  if (header.length < CONTAINER_HEADER_LENGTH)
    throw encryptionErrors.malformed("encrypted file ends within its header");
  const own = Buffer.from(header.subarray(0, CONTAINER_HEADER_LENGTH));
  const mode = ALGORITHMS[own[9] ?? 0];
  if (own[8] !== VERSION) throw encryptionErrors.malformed(`encrypted file of unknown version ${own[8] ?? 0}`);
  if (mode === undefined || own.readUInt16BE(10) !== 0)
    throw encryptionErrors.malformed("encrypted file of an unknown algorithm");
  const keyId = own.subarray(ID_AT, SALT_AT).toString("hex");
  const key = keys(keyId);
  if (key === undefined) throw encryptionErrors.keyUnknown(`data key ${keyId} is not known: there is no ${keyId}.key`, { id: keyId });
  const secret = fileKey(mode, key, own.subarray(SALT_AT));
  const associatedData = createAssociatedData(own);
  return {
    mode,
    keyId,
    headerLength: CONTAINER_HEADER_LENGTH,
    open(frame, chunkNumber, last) {
      const word = readFrameWord(frame);
      if (word.length !== frame.length)
        throw encryptionErrors.malformed(`frame ${chunkNumber} of an encrypted file has another length`);
      if (word.last !== last) {
        throw encryptionErrors.malformed(
          `frame ${chunkNumber} of an encrypted file is ${word.last ? "" : "not "}marked as the last`,
        );
      }
      const decipher = createDecipheriv(mode, secret, nonceOf(chunkNumber), { authTagLength: TAG_LENGTH });
      decipher.setAAD(associatedData(chunkNumber, last));
      decipher.setAuthTag(frame.subarray(frame.length - TAG_LENGTH));
      const clear = decipher.update(frame.subarray(FRAME_WORD_LENGTH, frame.length - TAG_LENGTH));
      try {
        decipher.final();
      } catch (error) {
        throw encryptionErrors.notAuthentic(
          `frame ${chunkNumber} of an encrypted file does not match its tag`,
          { chunkNumber },
          error,
        );
      }
      return clear;
    },
  };
}
