/** Files of lines that grow while a backup runs: written in blocks, measured in the same pass. */
import { createHash } from "node:crypto";
import { crc32c } from "../pipeline/index.ts";
import type { ByteSink } from "../storage/index.ts";
import type { HashAlgorithm } from "./hash-algorithm.ts";

const blockSize = 128 * 1024;

/** What was written. */
export interface LineFileMeasures {
  readonly size: number;
  /** Hexadecimal. */
  readonly digest: string;
}

export interface LineWriter {
  /**
   * Takes a line without its newline. A promise means that a block is being written: await it before the next line,
   * so that memory stays at a few blocks.
   */
  add(line: string | Buffer): Promise<void> | undefined;
  /** CRC-32C of everything taken so far. */
  checksum(): number;
  /** Writes what is left and closes the sink. */
  finish(): Promise<LineFileMeasures>;
  /** Gives the file up. */
  abort(): Promise<void>;
}

/** Lines into `sink`, digested with `hash`. */
export function createLineWriter(sink: ByteSink, hash: HashAlgorithm): LineWriter {
  const digest = createHash(hash);
  const newline = Buffer.from("\n");
  let pieces: Buffer[] = [];
  let waiting = 0;
  let size = 0;
  let crc = 0;
  let tail: Promise<void> = Promise.resolve();

  /** Measures what waits and hands it to the sink. */
  function takeBlock(): Buffer {
    const block = Buffer.concat(pieces, waiting);
    pieces = [];
    waiting = 0;
    digest.update(block);
    crc = crc32c(block, crc);
    size += block.length;
    return block;
  }

  function flush(): Promise<void> {
    if (waiting === 0) return tail;
    const block = takeBlock();
    const written = tail.then(() => sink.write(block));
    // The caller gets `written`; every later step fails on the same error through `tail`.
    tail = written;
    tail.catch(() => undefined);
    return written;
  }

  return {
    add: (line) => {
      const bytes = typeof line === "string" ? Buffer.from(line, "utf8") : line;
      pieces.push(bytes, newline);
      waiting += bytes.length + 1;
      return waiting >= blockSize ? flush() : undefined;
    },
    checksum: () => {
      if (waiting > 0) void flush();
      return crc;
    },
    finish: async () => {
      await flush();
      await sink.close();
      return { size, digest: digest.digest("hex") };
    },
    abort: () => sink.abort(),
  };
}
