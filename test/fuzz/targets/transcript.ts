/** What a reader said, in a form in which it does not matter how its input was cut. */
import { MonetaError } from "../../../src/common/index.ts";
import { cut } from "../engine/mutate.ts";
import type { Random } from "../engine/random.ts";
import { mustEqual } from "../engine/target.ts";

export interface Transcript {
  readonly lines: string[];
  /** Bytes that were handed on; those that follow each other become one line. */
  bytes(piece: Uint8Array): void;
  say(line: string): void;
  /** The refusal that ended it. */
  failed?: MonetaError;
}

export function createTranscript(): Transcript {
  const lines: string[] = [];
  let open = false;
  return {
    lines,
    bytes(piece) {
      if (piece.length === 0) return;
      const text = Buffer.from(piece).toString("latin1");
      if (open) lines[lines.length - 1] += text;
      else lines.push(text);
      open = true;
    },
    say(line) {
      open = false;
      lines.push(line);
    },
  };
}

/** A reader fed with pieces. */
export interface PieceReader {
  write(piece: Buffer): void;
  finish(): void;
}

/** All that a reader says about these pieces, its refusal last. Any other error goes up. */
export function listen(open: (transcript: Transcript) => PieceReader, pieces: readonly Buffer[]): Transcript {
  const transcript = createTranscript();
  try {
    const reader = open(transcript);
    for (const piece of pieces) {
      const lent = Buffer.from(piece);
      reader.write(lent);
      // As a socket does with its read buffer.
      lent.fill(0xaa);
    }
    reader.finish();
  } catch (error) {
    if (!(error instanceof MonetaError)) throw error;
    transcript.failed = error;
    transcript.say(`refused: ${error.code}`);
  }
  return transcript;
}

/** Reads the input whole and in pieces, compares, and throws the refusal if there is one. */
export function readBothWays(open: (transcript: Transcript) => PieceReader, input: Buffer, random: Random): Transcript {
  const whole = listen(open, [input]);
  const pieces = listen(open, cut(input, random));
  mustEqual(pieces.lines, whole.lines, "it says the same however the input is cut");
  if (whole.failed !== undefined) throw whole.failed;
  return whole;
}
