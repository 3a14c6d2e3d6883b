/** Cuts a stream of zstd or LZ4 frames at its frame borders: both formats share their outer shape. */
import type { ByteReader } from "./byte-reader.ts";
import { compressionErrors } from "./errors.ts";
import type { FrameJob } from "./ordered-frames.ts";
import type { FrameMeasure, WalkedBlocks } from "./zstd-frame.ts";

/** Stored or plain bytes beyond which a frame is decoded as a stream instead of at once. */
export const FRAME_LIMIT = 32 * 1024 * 1024;
/** Pieces in which skippable data is passed over. */
const SKIP_STEP = 1024 * 1024;

export interface FrameFormat {
  readonly name: string;
  measure(at: (offset: number) => number, available: number, limit: number, reached?: WalkedBlocks): FrameMeasure;
  /** Decodes one frame that lies in memory as a whole. */
  decodeFrame(frame: Buffer, measure: Extract<FrameMeasure, { kind: "frame" }>): Promise<Uint8Array>;
  /** Decodes the frame at the reader's position piece by piece and consumes exactly that frame. */
  decodeLarge(reader: ByteReader): AsyncIterable<Uint8Array>;
}

async function skip(reader: ByteReader, count: number, format: FrameFormat): Promise<void> {
  for (let left = count; left > 0;) {
    const step = Math.min(left, SKIP_STEP);
    if (!(await reader.fill(step)))
      throw compressionErrors.damaged(`${format.name} data ends within a skippable frame`);
    reader.take(step);
    left -= step;
  }
}

/** The frames of the stream as jobs, in order. A stream without any frame is damaged: its tools write at least one. */
export async function* walkFrames(
  reader: ByteReader,
  format: FrameFormat,
): AsyncGenerator<{ readonly job: FrameJob; readonly weight: number }> {
  let frames = 0;
  let reached: WalkedBlocks | undefined;
  while (await reader.fill(1)) {
    const measure = format.measure(reader.byteAt, reader.available, FRAME_LIMIT, reached);
    reached = measure.kind === "need" ? measure.reached : undefined;
    switch (measure.kind) {
      case "need":
        if (!(await reader.fill(measure.bytes)))
          throw compressionErrors.damaged(`${format.name} data ends within a frame`);
        break;
      case "skippable":
        await skip(reader, measure.length, format);
        break;
      case "large":
        frames++;
        yield { job: format.decodeLarge(reader), weight: 0 };
        break;
      case "frame": {
        frames++;
        const frame = reader.take(measure.length);
        yield { job: () => format.decodeFrame(frame, measure), weight: measure.plainBound };
        break;
      }
    }
  }
  if (frames === 0) throw compressionErrors.damaged(`no ${format.name} frame where one is due`);
}
