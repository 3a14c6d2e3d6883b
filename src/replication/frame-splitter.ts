import { replicationErrors } from "./errors.ts";

/**
 * Cuts the byte stream of a server into messages (PostgreSQL manual, "Message Formats": type byte, length
 * including itself). Payload of CopyData is handed on in pieces as it lies in the read buffer, never
 * assembled; all other messages are small and come whole.
 */
export interface FrameSink {
  /** A whole message, type byte and length included. Valid during the call only. */
  message(frame: Buffer): void;
  /** A CopyData message with `length` bytes of payload begins. */
  copyStart(length: number): void;
  /** Payload, never empty. Valid during the call only. */
  copyPiece(piece: Buffer): void;
  copyEnd(): void;
}

export interface FrameSplitter {
  /** Throws SERVER_PROTOCOL when the bytes are not PostgreSQL's; the splitter is useless then. */
  push(bytes: Buffer): void;
  /** Lifts the tight limits that hold while the other side is still a stranger. */
  trust(): void;
}

const headerBytes = 5;
const copyData = 0x64;
const kilobyte = 1024;

/** A row may hold a whole timeline history; the rest is short by nature. */
const rowLimit = 16 * kilobyte * kilobyte;
const textLimit = 1024 * kilobyte;
const plainLimit = 64 * kilobyte;
const strangerLimit = 16 * kilobyte;

/** Walsenders send 32 KiB (base backup) and 128 KiB (WAL) at a time; more than this is not one. */
const copyLimit = 64 * kilobyte * kilobyte;

/** Longest body by message type; a type that is not here never comes from a server that we talk to. */
const limits: Readonly<Record<string, number>> = {
  R: plainLimit, // Authentication…
  K: plainLimit, // BackendKeyData
  S: plainLimit, // ParameterStatus
  Z: plainLimit, // ReadyForQuery
  C: plainLimit, // CommandComplete
  I: plainLimit, // EmptyQueryResponse
  H: plainLimit, // CopyOutResponse
  W: plainLimit, // CopyBothResponse
  c: plainLimit, // CopyDone
  A: plainLimit, // NotificationResponse
  v: plainLimit, // NegotiateProtocolVersion
  E: textLimit, // ErrorResponse
  N: textLimit, // NoticeResponse
  T: textLimit, // RowDescription
  D: rowLimit, // DataRow
  d: copyLimit, // CopyData
};

/** What may come before we know that it is PostgreSQL. */
const strangerTypes = "RKSZENv";

export function createFrameSplitter(sink: FrameSink): FrameSplitter {
  const header = Buffer.alloc(headerBytes);
  let headerFilled = 0;
  let whole: Buffer | undefined;
  let wholeFilled = 0;
  let copyLeft = 0;
  let inCopy = false;
  let trusted = false;

  const bodyLength = (type: number, length: number): number => {
    const name = String.fromCharCode(type);
    const limit = limits[name];
    if (limit === undefined || (!trusted && !strangerTypes.includes(name))) {
      throw replicationErrors.protocol(`unknown message type 0x${type.toString(16).padStart(2, "0")}`, { type });
    }
    const body = length - 4;
    if (body < 0 || body > (trusted ? limit : Math.min(limit, strangerLimit))) {
      throw replicationErrors.protocol(`message ${name} with an impossible length of ${length} bytes`, { type, length });
    }
    return body;
  };

  const begin = (type: number, length: number): void => {
    const body = bodyLength(type, length);
    if (type === copyData) {
      copyLeft = body;
      inCopy = true;
      sink.copyStart(body);
      return;
    }
    whole = Buffer.allocUnsafe(headerBytes + body);
    whole[0] = type;
    whole.writeUInt32BE(length, 1);
    wholeFilled = headerBytes;
  };

  const push = (bytes: Buffer): void => {
    let offset = 0;
    while (offset < bytes.length || inCopy || whole !== undefined) {
      if (inCopy) {
        const take = Math.min(copyLeft, bytes.length - offset);
        if (take > 0) {
          copyLeft -= take;
          sink.copyPiece(bytes.subarray(offset, offset + take));
          offset += take;
        }
        if (copyLeft > 0) return;
        inCopy = false;
        sink.copyEnd();
      } else if (whole !== undefined) {
        const take = Math.min(whole.length - wholeFilled, bytes.length - offset);
        bytes.copy(whole, wholeFilled, offset, offset + take);
        wholeFilled += take;
        offset += take;
        if (wholeFilled < whole.length) return;
        const complete = whole;
        whole = undefined;
        sink.message(complete);
      } else if (headerFilled === 0 && bytes.length - offset >= headerBytes) {
        begin(bytes[offset] ?? 0, bytes.readUInt32BE(offset + 1));
        offset += headerBytes;
      } else {
        header[headerFilled++] = bytes[offset++] ?? 0;
        if (headerFilled < headerBytes) continue;
        headerFilled = 0;
        begin(header[0] ?? 0, header.readUInt32BE(1));
      }
    }
  };

  return {
    push,
    trust() {
      trusted = true;
    },
  };
}
