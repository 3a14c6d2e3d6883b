import { setMaxListeners } from "node:events";
import { describe, expect, it } from "vitest";
import type { ReceiverRole } from "../../../src/ipc/index.ts";
import { createSegment, openStateReader, openStateWriter, type ServerState } from "../../../src/state/index.ts";
import { createFollow, type FollowSide } from "../../../src/supervisor/follow.ts";
import { createManualClock, createRecordingLogger } from "./stand-ins.ts";

interface Side extends FollowSide {
  online: boolean;
  set(values: Partial<ServerState>): void;
  process: "running" | "backoff";
}

function sideOf(name: string): Side {
  const segment = createSegment({ servers: 1, jobs: 0 });
  const [writer, reader] = [openStateWriter(segment), openStateReader(segment)];
  const side: Side = {
    name,
    online: true,
    process: "running",
    state: () => reader.server(0),
    set: (values) => void writer.server(0).set(values),
    receiver: {
      child: {
        get state() {
          return side.process;
        },
      },
    },
  };
  return side;
}

function following() {
  const [own, followed] = [sideOf("replica"), sideOf("primary")];
  const clock = createManualClock();
  const { logger, records } = createRecordingLogger();
  const told: ReceiverRole[] = [];
  const follow = createFollow({ own, followed, clock, logger, patienceMs: () => 5000, tell: (role) => void told.push(role) });
  const ended = new AbortController();
  // The clock that stands still keeps a listener for each wait.
  setMaxListeners(0, ended.signal);
  follow.start(ended.signal);
  const after = async (seconds: number): Promise<ReceiverRole> => {
    for (let second = 0; second < seconds; second += 1) await clock.advance(1000);
    return follow.role();
  };
  return { own, followed, follow, told, after, ended, said: () => records.map(({ message }) => message) };
}

describe("a server that follows another one", () => {
  it("waits while that one streams, and knows what is stored of it", async () => {
    const { followed, told, after } = following();
    followed.set({ receiver: "streaming", timeline: 3, flushLsn: 0x5000100n });
    expect(await after(60)).toEqual({ follows: true, streams: false, stored: { server: "primary", timeline: 3, lsn: "0/5000100" } });
    followed.set({ flushLsn: 0x6000000n });
    await after(2);
    // Told when there is something new, and not again.
    expect(told.map(({ stored }) => stored?.lsn)).toEqual([undefined, "0/5000100", "0/6000000"]);
  });

  it.each([
    ["its server is away", (side: Side) => side.set({ receiver: "disconnected" })],
    ["its receiver is gone", (side: Side) => (side.process = "backoff")],
    ["it refuses what it gets", (side: Side) => side.set({ receiver: "refused" })],
    ["it is taken out of service", (side: Side) => (side.online = false)],
  ])("takes over when that one does not stream for too long: %s", async (_, fail) => {
    const { followed, follow, after, said } = following();
    followed.set({ receiver: "streaming", timeline: 1, flushLsn: 0x5000000n });
    await after(10);
    fail(followed);
    expect((await after(4)).streams).toBe(false);
    expect((await after(1)).streams).toBe(true);
    expect(follow.since).toBe(15_000);
    expect(said().at(-1)).toContain("replica takes over the WAL stream: primary has not been streaming for 5 s");
  });

  it("does not for a moment's loss, nor for a full disk, which would be its own too", async () => {
    const { followed, after } = following();
    followed.set({ receiver: "streaming" });
    await after(3);
    for (let loss = 0; loss < 5; loss += 1) {
      followed.set({ receiver: "disconnected" });
      await after(4);
      followed.set({ receiver: "streaming" });
      await after(1);
    }
    followed.set({ receiver: "paused" });
    expect((await after(60)).streams).toBe(false);
  });

  it("hands back when that one has gone through what was received meanwhile, however fast more comes", async () => {
    const { own, followed, follow, after } = following();
    followed.set({ receiver: "streaming", timeline: 1, flushLsn: 0x5000000n });
    await after(1);
    followed.set({ receiver: "disconnected" });
    await after(6);
    own.set({ receiver: "streaming", timeline: 2, flushLsn: 0x7000000n });
    // The old primary is back as it was: on a timeline that nobody is on any more.
    followed.set({ receiver: "streaming", flushLsn: 0x9000000n });
    expect((await after(30)).streams).toBe(true);
    followed.set({ receiver: "comparing", timeline: 2, flushLsn: 0x5000000n });
    expect((await after(1)).streams).toBe(true);
    own.set({ flushLsn: 0x8000000n });
    followed.set({ receiver: "streaming" });
    expect((await after(1)).streams).toBe(true);
    own.set({ flushLsn: 0xa000000n });
    followed.set({ flushLsn: 0x8000000n });
    expect((await after(1)).streams).toBe(false);
    expect(follow.since).toBeUndefined();
  });

  it("takes over again when that one fails again, and ends with the daemon", async () => {
    const { own, followed, after, ended, told } = following();
    for (const position of [0x5000000n, 0x6000000n]) {
      followed.set({ receiver: "disconnected" });
      expect((await after(6)).streams).toBe(true);
      own.set({ receiver: "streaming", timeline: 1, flushLsn: position });
      followed.set({ receiver: "streaming", timeline: 1, flushLsn: position });
      expect((await after(2)).streams).toBe(false);
    }
    ended.abort();
    const before = told.length;
    followed.set({ receiver: "disconnected" });
    await after(60);
    expect(told.length).toBe(before);
  });
});
