/** The state segment itself: one SharedArrayBuffer with a header that says what lies in it. */
import { stateErrors } from "./errors.ts";
import { LAYOUT_MAGIC, LAYOUT_VERSION, planSegment, type SegmentPlan, type SegmentShape } from "./layout.ts";

/** Handed to worker threads as it is (its buffer is shared), mirrored to other processes by messages. */
export interface StateSegment {
  readonly buffer: SharedArrayBuffer;
  readonly shape: SegmentShape;
  readonly plan: SegmentPlan;
  readonly cells: BigInt64Array;
}

/** An empty segment: every count 0, every flag off, every choice its first word. */
export function createSegment(shape: SegmentShape): StateSegment {
  const plan = planSegment(shape);
  const buffer = new SharedArrayBuffer(plan.bytes);
  const cells = new BigInt64Array(buffer);
  cells[0] = LAYOUT_MAGIC;
  cells[1] = LAYOUT_VERSION;
  cells[2] = BigInt(shape.servers);
  cells[3] = BigInt(shape.jobs);
  return { buffer, shape, plan, cells };
}

/** The segment in a buffer that another thread made. Throws `STATE_LAYOUT` when it is of another build. */
export function attachSegment(buffer: SharedArrayBuffer): StateSegment {
  const cells = new BigInt64Array(buffer);
  if (cells[0] !== LAYOUT_MAGIC) throw stateErrors.layout("the buffer is not a state segment");
  if (cells[1] !== LAYOUT_VERSION) {
    throw stateErrors.layout(`the state segment has layout ${cells[1]}, this build knows layout ${LAYOUT_VERSION}`);
  }
  const shape = { servers: Number(cells[2]), jobs: Number(cells[3]) };
  const plan = planSegment(shape);
  if (plan.bytes !== buffer.byteLength) {
    throw stateErrors.layout(`the state segment has ${buffer.byteLength} bytes, its header asks for ${plan.bytes}`);
  }
  return { buffer, shape, plan, cells };
}

/** Throws `STATE_VALUE` unless `index` is a record of the segment. */
export function checkIndex(kind: keyof SegmentShape, index: number, shape: SegmentShape): void {
  if (!Number.isInteger(index) || index < 0 || index >= shape[kind]) {
    throw stateErrors.value(`the state segment has no record ${index} of its ${shape[kind]} ${kind}`, { index });
  }
}
