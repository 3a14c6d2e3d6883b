/**
 * Files that pgmoneta encrypted: one AES-GCM message each, whose cipher they do not name. Clear bytes go on before the
 * tag was seen, which comes last: as with any stored file, nothing counts before the whole of it has been read.
 */
import { throwIfAborted } from "../common/index.ts";
import {
  createMessageOpener,
  encryptionErrors,
  encryptionModes,
  MESSAGE_HEADER_LENGTH,
  MESSAGE_OVERHEAD,
  TAG_LENGTH,
  type Cipher,
  type KeyRing,
  type MasterKey,
} from "../encryption/index.ts";
import type { RandomReader } from "./random-reader.ts";

const STEP = 1024 * 1024;

const ciphers = encryptionModes.filter((mode): mode is Cipher => mode !== "none");

/** The master keys of a ring, the one in use first. @throws ENCRYPTION_KEY_UNKNOWN */
function requireMasterKeys(keys: KeyRing | undefined, file: string): readonly MasterKey[] {
  if (keys?.master !== undefined) return [keys.master, ...(keys.formerMasters ?? [])];
  throw encryptionErrors.keyUnknown(`the master key is needed to read "${file}"`, { file });
}

/** What opened the last message that was found with a ring: what lies beside it was sealed at the same time. */
const lastFound = new WeakMap<KeyRing, MasterKey>();

/** Which key opens a message, and by which cipher. */
export interface MessageKey {
  readonly master: MasterKey;
  readonly mode: Cipher;
}

export interface MessageHints {
  /** The cipher, where it is known. */
  readonly mode?: Cipher | undefined;
  /** The one to try first. */
  readonly likely?: Cipher | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The key and the cipher of a message. With one master key and a known cipher nothing is read; else it is one pass over
 * the file for each pair that does not open it.
 * @throws ENCRYPTION_KEY_UNKNOWN, ENCRYPTION_MALFORMED, ENCRYPTION_NOT_AUTHENTIC when it is none
 */
export async function findMessageKey(source: RandomReader, keys: KeyRing | undefined, hints: MessageHints): Promise<MessageKey> {
  const masters = requireMasterKeys(keys, source.name);
  const [only, ...others] = masters;
  if (only !== undefined && others.length === 0) {
    return { master: only, mode: hints.mode ?? (await findMessageMode(source, only, hints)) };
  }
  const last = keys === undefined ? undefined : lastFound.get(keys);
  let failure: unknown;
  for (const master of last === undefined ? masters : [last, ...masters.filter((each) => each !== last)]) {
    try {
      const mode = await findMessageMode(source, master, hints);
      if (keys !== undefined) lastFound.set(keys, master);
      return { master, mode };
    } catch (error) {
      if (!encryptionErrors.notAuthentic.is(error)) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/** Reads the whole file with one cipher, for its tag alone. */
async function opensWith(
  mode: Cipher,
  master: MasterKey,
  source: RandomReader,
  signal?: AbortSignal,
): Promise<boolean> {
  const opener = createMessageOpener(master, mode, await source.read(0, MESSAGE_HEADER_LENGTH));
  const end = source.size - TAG_LENGTH;
  for (let at = MESSAGE_HEADER_LENGTH; at < end;) {
    throwIfAborted(signal);
    const piece = await source.read(at, Math.min(STEP, end - at));
    if (piece.length === 0) return false;
    opener.update(piece);
    at += piece.length;
  }
  try {
    opener.finish(await source.read(end, TAG_LENGTH));
    return true;
  } catch (error) {
    if (encryptionErrors.notAuthentic.is(error)) return false;
    throw error;
  }
}

/**
 * The cipher with which the tag of a file is right; `likely` is tried first. One pass over the file for each that is not.
 * @throws ENCRYPTION_MALFORMED, ENCRYPTION_NOT_AUTHENTIC when it is none
 */
async function findMessageMode(
  source: RandomReader,
  master: MasterKey,
  { mode: known, likely, signal }: MessageHints = {},
): Promise<Cipher> {
  if (source.size < MESSAGE_OVERHEAD) {
    throw encryptionErrors.malformed(`encrypted message of ${source.size} bytes is too short`);
  }
  const others = ciphers.filter((mode) => mode !== likely);
  for (const mode of known !== undefined ? [known] : likely === undefined ? others : [likely, ...others]) {
    if (await opensWith(mode, master, source, signal)) return mode;
  }
  throw encryptionErrors.notAuthentic(`encrypted message does not match its tag with ${known ?? "any cipher"}`);
}

/** Clear pieces of the message that `pieces` are, proven once the last of them was taken. */
export async function* openMessage(
  pieces: AsyncIterable<Uint8Array>,
  master: MasterKey,
  mode: Cipher,
): AsyncGenerator<Buffer> {
  let header = Buffer.alloc(0);
  let held = Buffer.alloc(0);
  let opener: ReturnType<typeof createMessageOpener> | undefined;
  for await (const piece of pieces) {
    let rest = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    if (opener === undefined) {
      const missing = MESSAGE_HEADER_LENGTH - header.length;
      header = Buffer.concat([header, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (header.length < MESSAGE_HEADER_LENGTH) continue;
      opener = createMessageOpener(master, mode, header);
    }
    // The last bytes may be the tag.
    const known = Buffer.concat([held, rest]);
    const sealed = Math.max(0, known.length - TAG_LENGTH);
    held = Buffer.from(known.subarray(sealed));
    if (sealed > 0) yield opener.update(known.subarray(0, sealed));
  }
  if (opener === undefined || held.length < TAG_LENGTH)
    throw encryptionErrors.malformed("encrypted message is too short");
  opener.finish(held);
}
