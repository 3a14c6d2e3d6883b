import { describe, expect, it } from "vitest";
import type { Clock } from "../../../src/common/index.ts";
import {
  createMirror,
  createSegment,
  openStateWriter,
  receiverOwns,
  serverFields,
  type Delta,
  type Mirror,
} from "../../../src/state/index.ts";

/** A clock whose sleeps end when the test says so. */
function createManualClock(): Clock & { elapse(): void; readonly sleeping: number } {
  let waiting: { resolve: () => void }[] = [];
  return {
    now: () => 0,
    monotonic: () => 0,
    sleep: (_ms, signal) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve });
        signal?.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      }),
    elapse() {
      const due = waiting;
      waiting = [];
      for (const one of due) one.resolve();
    },
    get sleeping() {
      return waiting.length;
    },
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp(send?: (delta: Delta) => Promise<void>) {
  const clock = createManualClock();
  const sent: Delta[] = [];
  const segment = createSegment({ servers: 1, jobs: 0 });
  const writer = openStateWriter(segment).server(0, (names) => mirror.changed(names));
  const mirror: Mirror = createMirror({
    table: serverFields,
    names: receiverOwns,
    read: () => writer.read(),
    clock,
    send: async (delta) => {
      sent.push(delta);
      await send?.(delta);
    },
  });
  return { clock, sent, writer, mirror };
}

describe("the mirror", () => {
  it("sends everything once, then only what changed", async () => {
    const { mirror, sent, writer } = setUp();
    await mirror.flush();
    expect(Object.keys(sent[0] ?? {})).toEqual([...receiverOwns]);
    writer.set({ receivedBytes: 5 });
    await mirror.flush();
    await mirror.flush();
    expect(sent.slice(1)).toEqual([{ receivedBytes: 5 }]);
    await mirror.close();
  });

  it("holds counters back for one interval and sends a change of state at once", async () => {
    const { mirror, sent, writer, clock } = setUp();
    await mirror.flush();
    for (let n = 1; n <= 1000; n += 1) writer.set({ writeLsn: BigInt(n) });
    await settled();
    expect(sent).toHaveLength(1);
    expect(clock.sleeping).toBe(1);
    clock.elapse();
    await settled();
    expect(sent[1]).toEqual({ writeLsn: "1000" });
    writer.set({ writeLsn: 1001n });
    writer.set({ receiver: "streaming" });
    await settled();
    expect(sent[2]).toEqual({ writeLsn: "1001", receiver: "streaming" });
    await mirror.close();
  });

  it("does nothing while nothing changes", async () => {
    const { mirror, clock, writer } = setUp();
    writer.set({ receivedBytes: 1 });
    clock.elapse();
    await settled();
    expect(clock.sleeping).toBe(0);
    await mirror.close();
  });

  it("joins everything that changes while the channel is busy into one delta", async () => {
    const gate: { open?: () => void } = {};
    const { mirror, sent, writer } = setUp(() => new Promise((resolve) => (gate.open = resolve)));
    const first = mirror.flush();
    await settled();
    for (const word of serverFields.receiver.words) writer.set({ receiver: word, gaps: 3 });
    await settled();
    expect(sent).toHaveLength(1);
    gate.open?.();
    await first;
    await settled();
    expect(sent).toHaveLength(2);
    expect(sent[1]).toEqual({ receiver: serverFields.receiver.words.at(-1), gaps: 3 });
    gate.open?.();
    await mirror.close();
  });

  it("keeps to the fields that belong to its side", async () => {
    const { mirror, sent, writer, clock } = setUp();
    await mirror.flush();
    writer.set({ process: "running", restarts: 4 });
    await settled();
    await mirror.flush();
    expect([sent.length, clock.sleeping]).toEqual([1, 0]);
    await mirror.close();
  });

  it("sends the rest when it is closed", async () => {
    const { mirror, sent, writer } = setUp();
    await mirror.flush();
    writer.set({ flushLsn: 77n });
    await mirror.close();
    expect(sent.at(-1)).toEqual({ flushLsn: "77" });
  });

  it("says to whoever flushes that the channel is gone", async () => {
    const { mirror } = setUp(() => Promise.reject(new Error("gone")));
    await expect(mirror.flush()).rejects.toThrow("gone");
  });
});
