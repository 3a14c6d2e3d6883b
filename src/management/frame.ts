/**
 * The management frame, without sockets: one byte compression, one byte encryption, four bytes length (network
 * order), then the document. Documents go as plain JSON when both bytes are 0, else as
 * base64( encrypt( compress( compact JSON ) ) ), standard alphabet, no line breaks.
 */
import type * as Compression from "../compression/index.ts";
import type * as Encryption from "../encryption/index.ts";
import type { EncryptionMode, MasterKey } from "../encryption/index.ts";
import { managementErrors } from "./errors.ts";

/** Compression of a frame: its position is the byte on the wire. */
export const frameCompressions = ["none", "gzip", "zstd", "lz4", "bzip2"] as const;
export type FrameCompression = (typeof frameCompressions)[number];

/** Encryption of a frame: its position is the byte on the wire. */
export const frameEncryptions = [
  "none",
  "aes-256-gcm",
  "aes-192-gcm",
  "aes-128-gcm",
] as const satisfies readonly EncryptionMode[];
export type FrameEncryption = (typeof frameEncryptions)[number];

/** Byte on the wire, also the number in `Header.Compression`. */
export const compressionCodes = { none: 0, gzip: 1, zstd: 2, lz4: 3, bzip2: 4 } as const satisfies Readonly<
  Record<FrameCompression, number>
>;
/** Byte on the wire, also the number in `Header.Encryption`. */
export const encryptionCodes = {
  none: 0,
  "aes-256-gcm": 1,
  "aes-192-gcm": 2,
  "aes-128-gcm": 3,
} as const satisfies Readonly<Record<FrameEncryption, number>>;

export interface FrameShape {
  readonly compression: FrameCompression;
  readonly encryption: FrameEncryption;
}

/** One frame as it came, its payload still compressed and encrypted. */
export interface Frame extends FrameShape {
  readonly payload: Buffer;
}

const headerLength = 6;

/** Largest request accepted: no request of a client comes near it. */
export const maxRequestBytes = 1024 * 1024;
/** Largest document that a request may become when it is decompressed: reading one must not hold up the others. */
export const maxRequestDocumentBytes = 1024 * 1024;
/** Largest answer that a client accepts: ten thousand backups make a fiftieth of it. */
export const maxAnswerBytes = 256 * 1024 * 1024;

/** Collects one frame from pieces of any size. */
export interface FrameReader {
  /**
   * Takes the next bytes; returns the frame once it is complete, else `undefined`. Keeps no more than what came.
   * Throws `MANAGEMENT_FRAME_INVALID` or `MANAGEMENT_FRAME_TOO_LARGE` as soon as the header shows it.
   */
  push(piece: Uint8Array): Frame | undefined;
  /** Bytes that followed the complete frame; there should be none. */
  readonly surplus: number;
  /** True once the first byte came. */
  readonly started: boolean;
}

function readHeader(header: Buffer, maxPayload: number): FrameShape & { readonly length: number } {
  const compression = frameCompressions[header.readUInt8(0)];
  const encryption = frameEncryptions[header.readUInt8(1)];
  const length = header.readUInt32BE(2);
  if (compression === undefined || encryption === undefined || length === 0) {
    throw managementErrors.frameInvalid(`the first bytes are no frame header: ${header.toString("hex")}`);
  }
  if (length > maxPayload) {
    throw managementErrors.frameTooLarge(`the frame announces ${length} bytes, the limit is ${maxPayload}`, {
      length,
      limit: maxPayload,
    });
  }
  return { compression, encryption, length };
}

export function createFrameReader(maxPayload: number): FrameReader {
  const header = Buffer.alloc(headerLength);
  let headerBytes = 0;
  let shape: ReturnType<typeof readHeader> | undefined;
  let payload: Buffer = Buffer.alloc(0);
  let received = 0;
  let surplus = 0;
  let done = false;
  return {
    push(piece) {
      let at = 0;
      if (done) {
        surplus += piece.length;
        return undefined;
      }
      while (headerBytes < headerLength && at < piece.length) {
        header[headerBytes] = piece[at] ?? 0;
        headerBytes += 1;
        at += 1;
      }
      if (headerBytes < headerLength) return undefined;
      shape ??= readHeader(header, maxPayload);
      const part = piece.subarray(at, at + shape.length - received);
      // Copied, because a socket may reuse its read buffer; into one buffer, because a piece may be a single byte.
      if (received + part.length > payload.length) {
        const room = Math.min(shape.length, Math.max(received + part.length, 2 * payload.length, 1024));
        const larger = Buffer.allocUnsafe(room);
        payload.copy(larger, 0, 0, received);
        payload = larger;
      }
      payload.set(part, received);
      received += part.length;
      if (received < shape.length) return undefined;
      done = true;
      surplus = piece.length - at - part.length;
      const complete = payload;
      payload = Buffer.alloc(0);
      return { compression: shape.compression, encryption: shape.encryption, payload: complete };
    },
    get surplus() {
      return surplus;
    },
    get started() {
      return headerBytes > 0;
    },
  };
}

/** Loaded when a message needs it: most do not, and the command line must start quickly. */
const loadCompression = onFirstUse<typeof Compression>(() => import("../compression/index.ts"));
const loadEncryption = onFirstUse<typeof Encryption>(() => import("../encryption/index.ts"));

/** Looks a module up once, because a daemon has many messages to open; a failure is not kept. */
function onFirstUse<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: T | undefined;
  return async () => {
    if (loaded !== undefined) return loaded;
    const module = await load();
    loaded = module;
    return module;
  };
}

const needKey = (masterKey: MasterKey | undefined): MasterKey => {
  if (masterKey === undefined)
    throw managementErrors.masterKeyMissing("the message is encrypted and there is no master key here");
  return masterKey;
};

/** Bytes of a frame that carries `document`. Throws `MANAGEMENT_MASTER_KEY_MISSING`. */
export async function encodeFrame(
  document: string,
  shape: FrameShape,
  masterKey: MasterKey | undefined,
): Promise<Buffer> {
  const plain = Buffer.from(document, "utf8");
  const header = Buffer.alloc(headerLength);
  const compression = compressionCodes[shape.compression];
  const encryption = encryptionCodes[shape.encryption];
  header.writeUInt8(compression, 0);
  header.writeUInt8(encryption, 1);
  let payload = plain;
  if (compression !== 0 || encryption !== 0) {
    const packed = await (await loadCompression()).compressMessage(compression, plain);
    const sealed = encryption === 0 ? packed : (await loadEncryption()).sealMessage(needKey(masterKey), shape.encryption, packed);
    payload = Buffer.from(sealed.toString("base64"), "latin1");
  }
  header.writeUInt32BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

/**
 * Document text of a frame. Throws `MANAGEMENT_FRAME_INVALID` when the payload cannot be opened, the errors of
 * compression when it is damaged or larger than `maxDocument` bytes, `MANAGEMENT_MASTER_KEY_MISSING`.
 */
export async function decodeFrame(
  frame: Frame,
  masterKey: MasterKey | undefined,
  maxDocument: number,
): Promise<string> {
  let plain = frame.payload;
  if (frame.compression !== "none" || frame.encryption !== "none") {
    const text = frame.payload.toString("latin1");
    const bytes = Buffer.from(text, "base64");
    // Buffer skips what is not base64; a message that only looks like one must not pass.
    if (bytes.toString("base64") !== text) throw managementErrors.frameInvalid("the payload is not base64");
    const packed =
      frame.encryption === "none" ? bytes : (await loadEncryption()).openMessage(needKey(masterKey), frame.encryption, bytes);
    const { decompressMessage } = await loadCompression();
    plain = await decompressMessage(compressionCodes[frame.compression], packed, maxDocument);
  }
  if (plain.length > maxDocument)
    throw managementErrors.frameTooLarge(`the document has ${plain.length} bytes, the limit is ${maxDocument}`);
  return decodeText(plain);
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function decodeText(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw managementErrors.documentInvalid("the document is not UTF-8", {}, error);
  }
}
