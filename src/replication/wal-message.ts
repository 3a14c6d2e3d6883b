import { serialize } from "pg-protocol";
import { formatLsn, lsn, type Lsn } from "../postgres/index.ts";
import { replicationErrors } from "./errors.ts";

/** Milliseconds from 1970 to 2000, PostgreSQL's epoch. */
const postgresEpochMs = 946_684_800_000;

/** What the server says about itself in the headers of its messages. */
export interface WalServerState {
  /** End of the WAL that the server has flushed. */
  readonly serverEnd: Lsn;
  /** The server's clock when it sent this, milliseconds since 1970. */
  readonly serverTime: number;
}

export interface Keepalive extends WalServerState {
  /** Answer at once: the server is about to give up, or to shut down. */
  readonly replyRequested: boolean;
}

export interface WalMessageSink {
  /** Payload of XLogData that begins at `start`. Valid during the call only. */
  data(start: Lsn, piece: Buffer): void;
  /** An XLogData message is complete; `end` is the position after its last byte. */
  dataEnd(end: Lsn, state: WalServerState): void;
  keepalive(keepalive: Keepalive): void;
}

export interface WalMessageDecoder {
  start(length: number): void;
  piece(piece: Buffer): void;
  end(): void;
}

const typeData = 0x77; // w
const typeKeepalive = 0x6b; // k
const dataHeader = 25;
const keepaliveLength = 18;

/**
 * Takes the CopyData payloads of a WAL stream apart (PostgreSQL manual, "Streaming Replication Protocol"):
 * XLogData is `w`, start, server's end, clock (8 bytes each), then WAL; a keepalive `k`, server's end, clock,
 * reply flag. Any of it may be split anywhere. Throws SERVER_PROTOCOL.
 */
export function createWalMessageDecoder(sink: WalMessageSink): WalMessageDecoder {
  const header = Buffer.alloc(dataHeader);
  let filled = 0;
  let needed = 0;
  let length = 0;
  let position = 0n;

  const takeHeader = (piece: Buffer): number => {
    let used = 0;
    while (filled < needed && used < piece.length) header[filled++] = piece[used++] ?? 0;
    return used;
  };

  return {
    start(messageLength) {
      length = messageLength;
      filled = 0;
      needed = 1;
    },
    piece(piece) {
      let offset = 0;
      if (filled < needed) {
        offset = takeHeader(piece);
        if (needed === 1) {
          needed = headerLength(header[0] ?? 0, length);
          offset += takeHeader(piece.subarray(offset));
        }
        if (filled < needed) return;
        if (header[0] === typeData) position = startOf(header.readBigUInt64BE(1), length - dataHeader);
      }
      if (offset === piece.length) return;
      const payload = offset === 0 ? piece : piece.subarray(offset);
      sink.data(lsn(position), payload);
      position += BigInt(payload.length);
    },
    end() {
      if (filled < needed || filled < 2) throw replicationErrors.protocol("message of the WAL stream is cut short");
      if (header[0] === typeKeepalive) {
        const replyRequested = header[17] !== 0;
        sink.keepalive({ serverEnd: lsn(header.readBigUInt64BE(1)), serverTime: clock(9), replyRequested });
        return;
      }
      sink.dataEnd(lsn(position), { serverEnd: lsn(header.readBigUInt64BE(9)), serverTime: clock(17) });
    },
  };

  function clock(offset: number): number {
    return postgresEpochMs + Number(header.readBigInt64BE(offset)) / 1000;
  }
}

const lastPosition = 0xffff_ffff_ffff_ffffn;

/** Where the payload begins, once it is known that all of it has a position. */
function startOf(start: bigint, bytes: number): bigint {
  if (start + BigInt(bytes) <= lastPosition) return start;
  throw replicationErrors.protocol(`${bytes} bytes of WAL from ${formatLsn(lsn(start))} on reach beyond the last position`);
}

function headerLength(type: number, length: number): number {
  if (type === typeData && length >= dataHeader) return dataHeader;
  if (type === typeKeepalive && length === keepaliveLength) return keepaliveLength;
  throw replicationErrors.protocol(`message of the WAL stream of type 0x${type.toString(16)} with ${length} bytes`);
}

/** Positions that a standby reports. */
export interface StandbyStatus {
  readonly write: Lsn;
  readonly flush: Lsn;
  readonly apply: Lsn;
}

/** A standby status update as a CopyData message. */
export function encodeStandbyStatus(status: StandbyStatus, now: number, requestReply: boolean): Buffer {
  const payload = Buffer.alloc(34);
  payload[0] = 0x72; // r
  payload.writeBigUInt64BE(status.write, 1);
  payload.writeBigUInt64BE(status.flush, 9);
  payload.writeBigUInt64BE(status.apply, 17);
  payload.writeBigInt64BE(BigInt(Math.round((now - postgresEpochMs) * 1000)), 25);
  payload[33] = requestReply ? 1 : 0;
  return serialize.copyData(payload);
}
