import type { Brand } from "../common/index.ts";
import { postgresErrors } from "./errors.ts";

/**
 * A position in the WAL: the number of bytes since the beginning of the server's WAL, 64 bits without sign
 * (`XLogRecPtr`). A position names the byte that starts there; 0 stands for "no position" (`InvalidXLogRecPtr`).
 */
export type Lsn = Brand<bigint, "Lsn">;

const greatest = 0xffff_ffff_ffff_ffffn;
const written = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** PostgreSQL's "no position". */
export const invalidLsn = 0n as Lsn;

/** A number as a position. Throws LSN_INVALID when it is negative, fractional or longer than 64 bits. */
export function lsn(value: bigint | number): Lsn {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw postgresErrors.lsnInvalid(`${value} is not a WAL position`);
  }
  const wide = BigInt(value);
  if (wide < 0n || wide > greatest) throw postgresErrors.lsnInvalid(`${wide} is not a WAL position`);
  return wide as Lsn;
}

/** Reads the form that PostgreSQL prints (`pg_lsn`, `%X/%X`), for example `16/B374D848`. */
export function parseLsn(text: string): Lsn {
  const match = written.exec(text);
  if (match === null) throw postgresErrors.lsnInvalid(`${JSON.stringify(text)} is not a WAL position`);
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn;
}

/** Writes a position the way PostgreSQL does, without leading zeros: `16/B374D848`, `0/0`. */
export function formatLsn(position: Lsn): string {
  const { high, low } = lsnParts(position);
  return `${high.toString(16)}/${low.toString(16)}`.toUpperCase();
}

/** The two 32-bit halves, as names and the replication protocol's texts use them. */
export function lsnParts(position: Lsn): { high: number; low: number } {
  return { high: Number(position >> 32n), low: Number(position & 0xffff_ffffn) };
}

/** The position `bytes` further on; `bytes` may be negative. Throws LSN_INVALID when that is no position. */
export function lsnPlus(position: Lsn, bytes: bigint | number): Lsn {
  return lsn(position + BigInt(bytes));
}

/** The lower of two positions. */
export function lowerLsn(a: Lsn, b: Lsn): Lsn {
  return a < b ? a : b;
}

/** The higher of two positions. */
export function higherLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}
