import { describe, expect, test } from "vitest";
import { lsn, timelineId } from "../../../src/postgres/index.ts";
import { startWalStream } from "../../../src/replication/index.ts";
import type { ConnectOptions, Connection } from "../../../src/replication/index.ts";
import { backend, backendMessage } from "../../support/backend-messages.ts";
import type { ScriptedPeer } from "../../support/scripted-walsender.ts";
import { code, connected } from "./scripted.ts";

describe("during a WAL stream", () => {
  interface Outcome {
    readonly events: string[];
    readonly error: unknown;
  }

  /** Streams from position 1000 until the stream ends, and lists what happened. */
  async function stream(
    script: (peer: ScriptedPeer) => Promise<void>,
    extra: Partial<ConnectOptions> = {},
    onData?: (walStream: ReturnType<typeof startWalStream>) => void,
  ): Promise<Outcome & { readonly connection: Connection; readonly command: string }> {
    let command = "";
    const connection = await connected(async (peer) => {
      command = await peer.query();
      await script(peer);
    }, extra);
    const events: string[] = [];
    let data = "";
    const error = await new Promise<unknown>((resolve) => {
      const target = { slot: "sl", timeline: timelineId(2), start: lsn(1000) };
      const walStream = startWalStream(connection, target, {
        onStarted: () => events.push("started"),
        onData(at, piece) {
          data += `${at}:${piece.toString("latin1")} `;
          onData?.(walStream);
        },
        onMessageEnd(end) {
          events.push(`${data}to ${end}`);
          data = "";
        },
        onKeepalive: (keepalive) => events.push(`keepalive ${keepalive.serverEnd} ${keepalive.replyRequested}`),
        onTimelineEnd(end) {
          events.push(`timeline ${end.nextTimeline} from ${end.switchLsn}`);
          resolve(undefined);
        },
        onClosed(reason) {
          events.push("closed");
          resolve(reason);
        },
      });
    });
    return { events, error, connection, command };
  }

  const nextTimeline = [
    backend.columns("next_tli", "next_tli_startpos"),
    backend.row("3", "0/3EB"),
    backend.complete("SELECT"),
    backend.complete("START_STREAMING"),
    backend.ready(),
  ];

  test("data, keepalives and the end of the timeline are told in order, and the connection goes on", async () => {
    let answer = "";
    const { events, error, connection, command } = await stream(async (peer) => {
      await peer.send(backend.copyBoth(), backend.walData(1000n, Buffer.from("abc")), backend.keepalive(2000n, true));
      await peer.send(backend.copyDone());
      answer = (await peer.receive()).type;
      await peer.send(...nextTimeline);
      await peer.query();
      await peer.send(backend.complete("SHOW"), backend.ready());
    });
    expect(command).toBe('START_REPLICATION SLOT "sl" PHYSICAL 0/3E8 TIMELINE 2');
    expect(events).toEqual(["started", "1000:abc to 1003", "keepalive 2000 true", "timeline 3 from 1003"]);
    expect(error).toBeUndefined();
    expect(answer).toBe("c");
    expect(await connection.query("SHOW x")).toMatchObject([{ tag: "SHOW" }]);
    await connection.terminate();
  });

  test("a timeline that has nothing more to send ends without a stream", async () => {
    const { events } = await stream((peer) => peer.send(...nextTimeline));
    expect(events).toEqual(["timeline 3 from 1003"]);
  });

  test("stop ends it from our side, what is under way is still delivered, and the connection goes on", async () => {
    const { events, error, connection } = await stream(
      async (peer) => {
        await peer.send(backend.copyBoth(), backend.walData(1000n, Buffer.from("abc")));
        expect((await peer.receive()).type).toBe("c");
        await peer.send(backend.walData(1003n, Buffer.from("def")), backend.copyDone(), backend.complete("START_STREAMING"), backend.ready());
      },
      {},
      (walStream) => {
        walStream.stop();
      },
    );
    expect(events).toEqual(["started", "1000:abc to 1003", "1003:def to 1006", "closed"]);
    expect(error).toBeUndefined();
    expect(connection.isClosed).toBe(false);
    await connection.terminate();
  });

  test.each<[string, string, readonly Buffer[]]>([
    ["WAL from another position", "WAL_STREAM_BROKEN", [backend.walData(999n, Buffer.from("x"))]],
    ["WAL with a gap", "WAL_STREAM_BROKEN", [backend.walData(1000n, Buffer.from("x")), backend.walData(1002n, Buffer.from("y"))]],
    ["WAL that comes twice", "WAL_STREAM_BROKEN", [backend.walData(1000n, Buffer.from("x")), backend.walData(1000n, Buffer.from("x"))]],
    ["garbage", "SERVER_PROTOCOL", [Buffer.from("garbage!")]],
    ["an unknown message within the stream", "SERVER_PROTOCOL", [backend.copyData("?12345")]],
    ["a keepalive that is too short", "SERVER_PROTOCOL", [backend.copyData("k")]],
    ["an oversized message", "SERVER_PROTOCOL", [backendMessage("d", Buffer.alloc(0), 0x7fff_ffff)]],
    ["rows within the stream", "SERVER_PROTOCOL", [backend.columns("a")]],
    ["an error in mid stream", "SERVER_WAL_REMOVED", [backend.error({ code: "58P01", message: "requested WAL segment has already been removed" }), backend.ready()]],
    ["the same in the server's language", "SERVER_WAL_REMOVED", [backend.error({ code: "58P01", message: "das angeforderte WAL-Segment wurde schon entfernt" }), backend.ready()]],
  ])("%s ends it with %s", async (_what, expected, messages) => {
    const { events, error } = await stream((peer) => peer.send(backend.copyBoth(), ...messages));
    expect(error).toEqual(code(expected));
    expect(events.filter((event) => event === "closed")).toHaveLength(1);
  });

  test("a cut in mid message ends it, and what came before was delivered", async () => {
    const message = backend.walData(1000n, Buffer.from("abcdef"));
    const { error, events } = await stream(async (peer) => {
      await peer.send(backend.copyBoth(), message, backend.walData(1006n, Buffer.from("ghi")).subarray(0, 32));
      peer.end();
    });
    expect(error).toEqual(code("SERVER_CONNECTION_LOST"));
    expect(events).toEqual(["started", "1000:abcdef to 1006", "closed"]);
  });

  test("a server that shuts down says so by a tag in mid stream", async () => {
    const { error } = await stream(async (peer) => {
      await peer.send(backend.copyBoth(), backend.walData(1000n, Buffer.from("x")), backend.complete("COPY 0"));
      peer.end();
    });
    expect(error).toEqual(code("SERVER_STOPPED"));
  });

  test("an idle server is asked for a sign of life before it is given up", async () => {
    const requests: boolean[] = [];
    const { error } = await stream(
      async (peer) => {
        await peer.send(backend.copyBoth());
        const first = await peer.receive();
        requests.push(first.body[33] === 1);
        await peer.send(backend.keepalive(1n, false));
        requests.push((await peer.receive()).body[33] === 1);
      },
      { idleTimeoutMs: 300 },
    );
    expect(requests).toEqual([true, true]);
    expect(error).toEqual(code("SERVER_SILENT"));
  });

  test("our own slowness is not taken for the server's silence", async () => {
    let blocked = false;
    const { events } = await stream(
      async (peer) => {
        await peer.send(backend.copyBoth(), backend.walData(1000n, Buffer.alloc(100_000, "w")), backend.copyDone(), ...nextTimeline);
      },
      // A small buffer leaves most of it in the system's: libuv reads 32 times in a row at most, then timers have their turn.
      { idleTimeoutMs: 200, readBufferBytes: 64 },
      () => {
        if (blocked) return;
        blocked = true;
        setImmediate(() => {
          const until = performance.now() + 400;
          while (performance.now() < until);
        });
      },
    );
    expect(events.at(-1)).toBe("timeline 3 from 1003");
  });

  test("the end of a batch is told before the end of the timeline, also when both come in one read", async () => {
    const connection = await connected(async (peer) => {
      await peer.query();
      await peer.send(Buffer.concat([backend.copyBoth(), backend.walData(1000n, Buffer.from("abc")), backend.copyDone(), ...nextTimeline]));
    });
    const events: string[] = [];
    await new Promise<void>((resolve) => {
      startWalStream(connection, { timeline: timelineId(2), start: lsn(1000) }, {
        onData: () => void events.push("data"),
        onBatchEnd: () => void events.push("batch"),
        onKeepalive: () => undefined,
        onTimelineEnd() {
          events.push("timeline");
          resolve();
        },
        onClosed: () => {
          resolve();
        },
      });
    });
    expect(events).toEqual(["data", "batch", "timeline"]);
    await connection.terminate();
  });

  test("status updates that the server does not read are not piled up, and the newest arrives", async () => {
    const last = 1_000_000n;
    let received = 0;
    const { error } = await stream(
      async (peer) => {
        await peer.send(backend.copyBoth(), backend.walData(1000n, Buffer.from("x")));
        for (let flush = 0n; flush !== last; received++) flush = (await peer.receive()).body.readBigUInt64BE(9);
        peer.cut();
      },
      {},
      (walStream) => {
        for (let flush = 1n; flush <= last; flush++) {
          walStream.sendStatus({ write: lsn(flush), flush: lsn(flush), apply: lsn(0) });
        }
      },
    );
    expect(error).toEqual(code("SERVER_CONNECTION_LOST"));
    // Only what the system's own buffers hold was sent, a few megabytes of 39 bytes each.
    expect(received).toBeLessThan(500_000);
  });

  test("what a handler throws ends the connection and is the reason", async () => {
    const { error, connection } = await stream(
      (peer) => peer.send(backend.copyBoth(), backend.walData(1000n, Buffer.from("x"))),
      {},
      () => {
        throw new Error("disk full");
      },
    );
    expect(error).toMatchObject({ message: "disk full" });
    expect(connection.isClosed).toBe(true);
  });
});
