import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { createChannel, type Channel, type Endpoint } from "../../../src/ipc/index.ts";

/** The other end of a pipe whose reader decides when it reads. */
class StoppedReader extends EventEmitter implements Endpoint {
  connected = true;
  readonly taken: unknown[] = [];
  private readonly callbacks: ((error: Error | null) => void)[] = [];

  send(message: unknown, callback: (error: Error | null) => void): boolean {
    this.taken.push(message);
    this.callbacks.push(callback);
    return false;
  }
  read(messages: number): void {
    for (const callback of this.callbacks.splice(0, messages)) callback(null);
  }
  fail(error: Error): void {
    for (const callback of this.callbacks.splice(0)) callback(error);
  }
  disconnect(): void {
    this.connected = false;
    this.emit("disconnect");
  }
}

function setUp(offerLimit?: number) {
  const endpoint = new StoppedReader();
  const received: number[] = [];
  const events: string[] = [];
  const channel: Channel<number> = createChannel<number, number>({
    endpoint,
    check: (value) => {
      if (typeof value !== "number") throw new TypeError("not a number");
      return value;
    },
    onMessage: (message) => received.push(message),
    onInvalid: (error) => events.push(`invalid: ${String(error)}`),
    onDisconnect: () => events.push("disconnect"),
    ...(offerLimit === undefined ? {} : { offerLimit }),
  });
  return { endpoint, received, events, channel };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a channel", () => {
  it("hands over a window at a time and keeps the order", async () => {
    const { endpoint, channel } = setUp();
    const sent = Array.from({ length: 100 }, (_, n) => channel.send(n));
    const inWindow = endpoint.taken.length;
    expect(inWindow).toBeLessThan(100);
    let done = false;
    void Promise.all(sent).then(() => (done = true));
    endpoint.read(10);
    expect(endpoint.taken.length).toBe(inWindow + 10);
    while (endpoint.taken.length < 100) endpoint.read(1);
    await settled();
    expect(done).toBe(false);
    endpoint.read(100);
    await Promise.all(sent);
    expect(endpoint.taken).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });

  it("refuses what may be lost when the line is long, never what must arrive", async () => {
    const { endpoint, channel } = setUp(40);
    let accepted = 0;
    for (let n = 0; n < 100; n += 1) if (channel.offer(n)) accepted += 1;
    expect(accepted).toBe(40);
    const important = channel.send(1000);
    while (endpoint.taken.length < 41) endpoint.read(1);
    endpoint.read(50);
    await important;
    expect(endpoint.taken.at(-1)).toBe(1000);
    expect(channel.offer(5)).toBe(true);
  });

  it("tells every sender when the other end goes, and its owner once", async () => {
    const { endpoint, channel, events } = setUp();
    const sent = Array.from({ length: 50 }, (_, n) => channel.send(n));
    const outcomes = Promise.allSettled(sent);
    endpoint.disconnect();
    endpoint.fail(new Error("EPIPE"));
    expect(new Set((await outcomes).map((outcome) => outcome.status))).toEqual(new Set(["rejected"]));
    expect(events).toEqual(["disconnect"]);
    await expect(channel.send(1)).rejects.toMatchObject({ code: "IPC_DISCONNECTED" });
    expect(channel.offer(1)).toBe(false);
    await channel.flush();
  });

  it("ends the conversation at the first thing that is no message", async () => {
    const { endpoint, channel, events, received } = setUp();
    endpoint.emit("message", 1);
    endpoint.emit("message", { type: "surprise" });
    endpoint.emit("message", 2);
    expect(received).toEqual([1]);
    expect(events).toEqual(["invalid: TypeError: not a number"]);
    await settled();
    expect([channel.open, endpoint.connected]).toEqual([false, false]);
  });

  it("flushes what is in line and then closes without a disconnect of its own", async () => {
    const { endpoint, channel, events } = setUp();
    void channel.send(1);
    let flushed = false;
    const flush = channel.flush().then(() => (flushed = true));
    await settled();
    expect(flushed).toBe(false);
    endpoint.read(1);
    await flush;
    channel.close();
    await settled();
    expect(events).toEqual([]);
    expect(endpoint.connected).toBe(false);
  });
});
