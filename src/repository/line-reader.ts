/** Files of lines, read in blocks with a bound for the length of a line, so that no file decides over our memory. */
import type { MonetaError } from "../common/index.ts";
import type { RandomReader } from "../storage/index.ts";

const blockSize = 256 * 1024;
const newline = 0x0a;

/** Makes the caller's own error of what can be wrong with lines; `line` counts from 1. */
export interface LineFaults {
  readonly tooLong: (line: number) => MonetaError;
  /** The last line has no newline: the file was cut. Undefined lets it pass as if it were not there. */
  readonly unfinished: (line: number) => MonetaError | undefined;
}

/** The lines of a file without their newlines, as many a step as a block holds; none longer than `longest` bytes. */
export async function* readLines(
  reader: RandomReader,
  longest: number,
  faults: LineFaults,
): AsyncGenerator<Buffer[], void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let number = 1;
  for (let offset = 0; offset < reader.size;) {
    const block = await reader.read(offset, blockSize);
    offset += block.length;
    const bytes: Buffer = rest.length === 0 ? block : Buffer.concat([rest, block]);
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = bytes.indexOf(newline, rest.length); end >= 0; end = bytes.indexOf(newline, start)) {
      if (end - start > longest) throw faults.tooLong(number);
      lines.push(bytes.subarray(start, end));
      start = end + 1;
      number += 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > longest) throw faults.tooLong(number);
    if (lines.length > 0) yield lines;
  }
  const fault = rest.length > 0 ? faults.unfinished(number) : undefined;
  if (fault !== undefined) throw fault;
}
