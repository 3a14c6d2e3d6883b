/**
 * CRC-32C (Castagnoli) of a whole file out of the checksums of its chunks: each byte is then measured once.
 * Appending n bytes to a message multiplies its checksum by x^8n modulo the polynomial; this is that product.
 */
import { crc32c } from "../common/index.ts";

export { crc32c };

/** The polynomial without its highest term, bits reflected. */
const POLYNOMIAL = 0x82f63b78;
/** x^0 in reflected order. */
const ONE = 0x80000000;

/** Product of two polynomials modulo the Castagnoli polynomial, bits reflected. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= factor;
    factor = (factor & 1) !== 0 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product >>> 0;
}

/** x^(8·2^k) for k from 0: squared again and again, starting from x^8. */
const powers: number[] = [ONE >>> 8];
for (let k = 1; k < 53; k++) {
  const previous = powers[k - 1] ?? 0;
  powers.push(multiply(previous, previous));
}

function shiftOperator(bytes: number): number {
  let operator = ONE;
  let rest = bytes;
  for (let k = 0; rest > 0; k++) {
    if (rest % 2 === 1) operator = multiply(operator, powers[k] ?? 0);
    rest = Math.floor(rest / 2);
  }
  return operator;
}

// Nearly every append is of one full chunk.
let lastLength = -1;
let lastOperator = 0;

/**
 * Checksum of A followed by B.
 * @param first CRC-32C of A
 * @param second CRC-32C of B
 * @param secondLength length of B in bytes
 */
export function appendCrc32c(first: number, second: number, secondLength: number): number {
  if (secondLength !== lastLength) {
    lastOperator = shiftOperator(secondLength);
    lastLength = secondLength;
  }
  return (multiply(lastOperator, first) ^ second) >>> 0;
}
