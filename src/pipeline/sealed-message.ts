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

/** The master key of a ring. @throws ENCRYPTION_KEY_UNKNOWN */
export function requireMasterKey(keys: KeyRing | undefined, file: string): MasterKey {
  if (keys?.master !== undefined) return keys.master;
  throw encryptionErrors.keyUnknown(`the master key is needed to read "${file}"`, { file });
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
export async function findMessageMode(
  source: RandomReader,
  master: MasterKey,
  { likely, signal }: { readonly likely?: Cipher | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<Cipher> {
  if (source.size < MESSAGE_OVERHEAD) {
    throw encryptionErrors.malformed(`encrypted message of ${source.size} bytes is too short`);
  }
  const others = ciphers.filter((mode) => mode !== likely);
  for (const mode of likely === undefined ? others : [likely, ...others]) {
    if (await opensWith(mode, master, source, signal)) return mode;
  }
  throw encryptionErrors.notAuthentic("encrypted message does not match its tag with any cipher");
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
