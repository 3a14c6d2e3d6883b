import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { invalidLsn, lsn, timelineId } from "../../../src/postgres/index.ts";
import { connect } from "../../../src/replication/index.ts";
import { runStreamSession, type StreamSessionEnd } from "../../../src/wal/stream-session.ts";
import { createWalWriter, type WalWriter } from "../../../src/wal/wal-writer.ts";
import { backend } from "../../support/backend-messages.ts";
import { sampleBytes } from "../../support/sample-bytes.ts";
import { createScriptedWalsender, type ScriptedPeer, type ScriptedWalsender } from "../../support/scripted-walsender.ts";
import { waitFor } from "../../support/wait-for.ts";
import { eachTestHasAWalDirectory, faultyDisk, megabyte, segment, systemError, type FaultyDisk } from "../../unit/wal/segment.ts";

const directory = eachTestHasAWalDirectory();
const start = 3 * megabyte;
const content = sampleBytes(2 * megabyte, "noise", 5);
let server: ScriptedWalsender | undefined;
let disk: FaultyDisk;
let controller: AbortController;

beforeEach(() => {
  disk = faultyDisk();
  controller = new AbortController();
});
afterEach(async () => {
  expect(server?.failures).toEqual([]);
  await server?.close();
});

/** A standby status update, positions from the start of the segment; `none` is 0/0. */
interface Status {
  readonly write: number | "none";
  readonly flush: number | "none";
  readonly apply: bigint;
  readonly asks: boolean;
}

interface Session {
  readonly end: StreamSessionEnd;
  readonly statuses: readonly Status[];
  /** The other messages of the client, by type. */
  readonly others: readonly string[];
  readonly progress: readonly number[];
  /** What was said to be written at each progress. */
  readonly written: readonly number[];
  readonly events: readonly string[];
  readonly writer: WalWriter;
}

interface SessionOptions {
  /** Bytes that are stored already. */
  readonly existing?: number;
  readonly reported?: number;
  readonly serverEnd?: number;
  readonly statusIntervalMs?: number;
  readonly segmentSize?: number;
  /** Waits for so many status updates before a connection that is held is let go. */
  readonly heldFor?: number;
}

interface Script {
  (peer: ScriptedPeer, heard: { statuses: Status[]; others: string[] }): Promise<void>;
}

const wal = (from: number, to: number, serverEnd = to): Buffer => backend.walData(BigInt(start + from), content.subarray(from, to), BigInt(start + serverEnd));
const keepalive = (sent: number, asks = false): Buffer => backend.keepalive(BigInt(start + sent), asks);

function statusOf(body: Buffer): Status {
  const position = (at: number): number | "none" => (body.readBigUInt64BE(at) === 0n ? "none" : Number(body.readBigUInt64BE(at)) - start);
  return { write: position(1), flush: position(9), apply: body.readBigUInt64BE(17), asks: body[33] === 1 };
}

/** Runs a session against a server that follows the script after it agreed to stream, and closes when the script ends. */
async function session(script: Script, options: SessionOptions = {}): Promise<Session> {
  const { existing = 0, reported, serverEnd = existing } = options;
  const heard = { statuses: [] as Status[], others: [] as string[] };
  server = await createScriptedWalsender(async (peer) => {
    await peer.accept();
    expect(await peer.query()).toBe('START_REPLICATION SLOT "moneta" PHYSICAL 0/300000 TIMELINE 1');
    await peer.send(backend.copyBoth());
    const listening = listen(peer, heard);
    await script(peer, heard);
    peer.end();
    await listening;
  });
  const connection = await connect({
    host: server.host,
    port: server.port,
    user: "repl",
    replication: true,
    applicationName: "moneta",
    tls: { mode: "disable" },
    connectTimeoutMs: 20_000,
    keepAlive: true,
    noDelay: true,
  });
  if (existing > 0) directory.put(`${segment}.partial`, content.subarray(0, existing));
  const writer = createWalWriter({
    directory: directory.path,
    timeline: timelineId(1),
    start: lsn(start),
    segmentSize: options.segmentSize ?? megabyte,
    existingEnd: lsn(start + existing),
    onComplete: (name) => events.push(`complete ${name.slice(-1)}`),
    calls: disk,
  });
  const events: string[] = [];
  const progress: number[] = [];
  const written: number[] = [];
  const end = await runStreamSession(
    connection,
    writer,
    {
      slot: "moneta",
      timeline: timelineId(1),
      start: lsn(start),
      existingEnd: lsn(start + existing),
      reported: reported === undefined ? invalidLsn : lsn(start + reported),
      serverEnd: lsn(start + serverEnd),
      statusIntervalMs: options.statusIntervalMs ?? 600_000,
      idleTimeoutMs: 0,
    },
    {
      started: () => events.push("started"),
      confirmed: () => events.push("confirmed"),
      alive: () => {
        if (!events.includes("alive")) events.push("alive");
      },
      progress: (write, flush) => {
        progress.push(Number(flush) - start);
        written.push(Number(write) - start);
      },
      proven: () => undefined,
    },
    { clock: systemClock, signal: controller.signal },
  );
  if (end.kind === "disk-full") {
    const enough = heard.statuses.length + (options.heldFor ?? 0);
    await waitFor("the server is answered while the connection is held", () => heard.statuses.length >= enough);
    await end.release();
  }
  writer.close();
  connection.destroy();
  return { end, ...heard, progress, written, events, writer };
}

async function listen(peer: ScriptedPeer, heard: { statuses: Status[]; others: string[] }): Promise<void> {
  for (;;) {
    let message;
    try {
      message = await peer.receive();
    } catch {
      // The client is gone, which is how every session ends.
      return;
    }
    if (message.type === "d") heard.statuses.push(statusOf(message.body));
    else heard.others.push(message.type);
  }
}

/** The server's side waits until it has heard of this flush position. */
const hears = (heard: { statuses: Status[] }, flush: number | "none"): Promise<boolean> =>
  waitFor(`flush position ${flush} is heard of`, () => heard.statuses.some((status) => status.flush === flush), { seen: () => heard.statuses });

const flushes = (statuses: readonly Status[]): (number | "none")[] => statuses.map(({ flush }) => flush).filter((flush, i, all) => flush !== all[i - 1]);

describe("what is reported", () => {
  it("is the start at first, with a question, and then what is synced: write and flush the same, apply nothing", async () => {
    const { statuses, progress, events } = await session(async (peer, heard) => {
      await hears(heard, 0);
      await peer.send(wal(0, 1000));
      await hears(heard, 1000);
      await peer.send(wal(1000, 1001));
      await hears(heard, 1001);
    });
    expect(statuses[0]).toEqual({ write: 0, flush: 0, apply: 0n, asks: true });
    expect(flushes(statuses)).toEqual([0, 1000, 1001]);
    for (const status of statuses) expect([status.write, status.apply]).toEqual([status.flush, 0n]);
    expect(progress.at(-1)).toBe(1001);
    expect(disk.counts.datasync).toBe(2);
    expect(events).toEqual(["started", "alive"]);
  });

  it("is nothing at all while stored bytes are compared, neither to the server nor to a backup that waits for WAL", async () => {
    const { statuses, progress, events } = await session(
      async (peer, heard) => {
        await peer.send(wal(0, 400, 1200), keepalive(400, true));
        await waitFor("the keepalive is answered", () => heard.statuses.length >= 2);
        await peer.send(wal(400, 999, 1200), keepalive(999, true));
        await waitFor("the keepalive is answered", () => heard.statuses.length >= 3);
        await peer.send(wal(999, 1200));
        await hears(heard, 1200);
      },
      { existing: 1000, serverEnd: 1200 },
    );
    expect(flushes(statuses)).toEqual(["none", 1200]);
    expect(statuses.map(({ write }) => write)).toEqual(statuses.map(({ flush }) => flush));
    expect(Math.min(...progress)).toBe(1200);
    expect(events).toEqual(["started", "confirmed", "alive"]);
  });

  it("is never lower than what was reported before", async () => {
    const { statuses } = await session(
      async (peer, heard) => {
        await peer.send(wal(0, 2000, 9000), keepalive(2000, true));
        await waitFor("the keepalive is answered", () => heard.statuses.length >= 2);
        await peer.send(wal(2000, 4999, 9000), keepalive(4999, true));
        await waitFor("the keepalive is answered", () => heard.statuses.length >= 3);
        await peer.send(wal(4999, 5000, 9000), keepalive(5000, true));
        await hears(heard, 5000);
        await peer.send(wal(5000, 9000));
        await hears(heard, 9000);
      },
      { reported: 5000, serverEnd: 9000 },
    );
    expect(flushes(statuses)).toEqual(["none", 5000, 9000]);
  });

  it("is the truth when the server has no more that could reach what was reported before", async () => {
    const { statuses } = await session(
      async (peer, heard) => {
        await peer.send(wal(0, 3000));
        await hears(heard, 3000);
      },
      { reported: 5000, serverEnd: 3000 },
    );
    expect(flushes(statuses)).toEqual(["none", 3000]);
  });

  it("comes at once when a keepalive asks, with all that is in hand synced", async () => {
    await session(async (peer, heard) => {
      await peer.send(wal(0, 1000, 100_000), keepalive(1000, true));
      await hears(heard, 1000);
    });
  });

  it("comes when the server stalls in the middle of what it has in hand", async () => {
    await session(async (peer, heard) => {
      await peer.send(wal(0, 1000, 100_000));
      await hears(heard, 1000);
    });
  });

  it("comes from time to time when nothing happens", async () => {
    await session(
      async (_peer, heard) => {
        await waitFor("some status updates have come", () => heard.statuses.length > 5);
        expect(flushes(heard.statuses)).toEqual([0]);
      },
      { statusIntervalMs: 20 },
    );
  });

  it("goes on over the end of a segment", async () => {
    const { events, statuses } = await session(async (peer, heard) => {
      for (let at = 0; at < megabyte + 65_536; at += 65_536) await peer.send(wal(at, at + 65_536, megabyte + 65_536));
      await hears(heard, megabyte + 65_536);
    });
    expect(events).toContain(`complete ${segment.slice(-1)}`);
    expect(directory.read(segment).equals(content.subarray(0, megabyte))).toBe(true);
    const numbers = statuses.map(({ flush }) => Number(flush));
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });
});

describe("far behind the server", () => {
  const piece = content.subarray(0, 65_536);
  /** Sends WAL of which much more is to come, until `enough`. */
  const sendUntil = async (peer: ScriptedPeer, enough: () => boolean): Promise<number> => {
    let at = 0;
    for (; !enough(); at += piece.length) await peer.send(backend.walData(BigInt(start + at), piece, BigInt(start + at + 1024 * megabyte)));
    return at;
  };
  const segmentSize = 1024 * megabyte;

  it("what is taken is written early, and reported when its sync has ended well", async () => {
    const { statuses } = await session(
      async (peer, heard) => {
        const sent = await sendUntil(peer, () => disk.counts.datasyncBeside > 2);
        await hears(heard, sent);
      },
      { segmentSize },
    );
    for (const flush of flushes(statuses)) expect([0, ...disk.synced]).toContain(flush);
  });

  it("a segment that is complete is reported although the server goes on", async () => {
    const most = 64 * megabyte;
    let at = 0;
    await session(async (peer, heard) => {
      const reported = (): boolean => heard.statuses.some(({ flush }) => Number(flush) >= 3 * megabyte);
      for (; at < most && !reported(); at += megabyte) {
        await peer.send(backend.walData(BigInt(start + at), content.subarray(0, megabyte), BigInt(start + at + 2 * most)));
      }
    });
    expect(at).toBeLessThan(most);
  });

  it("it ends when what is taken cannot be written early, and nothing of it was reported", async () => {
    let refused = false;
    disk.fail = (call) => {
      if (call !== "datasyncBeside") return undefined;
      refused = true;
      return systemError("EIO");
    };
    let synced: readonly number[] = [];
    const { end, statuses } = await session(
      async (peer) => {
        await sendUntil(peer, () => refused);
        synced = [...disk.synced];
        await peer.silence();
      },
      { segmentSize },
    );
    expect(end).toMatchObject({ kind: "failed", error: { code: "WAL_SYNC_FAILED" } });
    for (const flush of flushes(statuses)) expect([0, ...synced]).toContain(flush);
  });
});

describe("a session ends", () => {
  it("with the timeline, everything before its end on disk", async () => {
    const { end, writer } = await session(async (peer, heard) => {
      // The header may say that there is more: the end of the timeline is what counts.
      await peer.send(wal(0, 5000, 50_000), backend.copyDone());
      await waitFor("the client agrees", () => heard.others.includes("c"));
      await peer.send(backend.columns("next_tli", "next_tli_startpos"), backend.row("2", "0/301388"), backend.complete("SELECT"), backend.complete("START_STREAMING"), backend.ready());
      await peer.silence();
    });
    expect(end).toMatchObject({ kind: "timeline-end", end: { nextTimeline: 2, switchLsn: lsn(start + 5000) } });
    expect(writer.flushed).toBe(lsn(start + 5000));
    expect(disk.counts.datasync).toBe(1);
  });

  it("with the connection, and what came before is on disk", async () => {
    const { end, writer } = await session(async (peer, heard) => {
      await waitFor("the first status", () => heard.statuses.length > 0);
      await peer.send(wal(0, 5000, 50_000));
      peer.end();
    });
    expect(end).toMatchObject({ kind: "failed", error: { code: "SERVER_CONNECTION_LOST" } });
    expect(writer.flushed).toBe(lsn(start + 5000));
  });

  it("at the first byte that differs from what is stored, and nothing was reported", async () => {
    const other = Buffer.from(content.subarray(0, 3000));
    other[2500] = (other[2500] ?? 0) ^ 0x80;
    const { end, statuses } = await session(
      async (peer, heard) => {
        await hears(heard, "none");
        await peer.send(backend.walData(BigInt(start), other, BigInt(start + 9000)));
        await peer.silence();
      },
      { existing: 2600, serverEnd: 9000 },
    );
    expect(end).toMatchObject({ kind: "failed", error: { code: "WAL_DIVERGED", details: { lsn: "0/3009C4" } } });
    expect(flushes(statuses)).toEqual(["none"]);
    expect(directory.read(`${segment}.partial`).equals(content.subarray(0, 2600))).toBe(true);
    expect(directory.read(`${segment}.partial.diverged`).equals(other)).toBe(true);
  });

  it("when it is asked to: synced, reported, and with a goodbye", async () => {
    const { end, statuses, others } = await session(async (peer, heard) => {
      await peer.send(wal(0, 5000, 50_000));
      await hears(heard, 5000);
      controller.abort();
      await waitFor("the client says goodbye", () => heard.others.includes("c"));
      await peer.send(wal(5000, 6000, 50_000), backend.copyDone(), backend.complete("START_STREAMING"), backend.ready());
      await peer.silence();
    });
    expect(end.kind).toBe("stopped");
    expect(others[0]).toBe("c");
    expect(flushes(statuses)).toEqual([0, 5000]);
    expect(directory.read(`${segment}.partial`).length).toBe(6000);
  });

  it("when it is asked to, also when the server does not say goodbye", async () => {
    const { end } = await session(async (peer, heard) => {
      await hears(heard, 0);
      controller.abort();
      await peer.silence();
    });
    expect(end).toMatchObject({ kind: "failed", error: { code: "ABORTED" } });
  });

  it("with the error of the disk when that refuses what came before the connection ended, and not with the connection's", async () => {
    const { end, statuses } = await session(async (peer, heard) => {
      await hears(heard, 0);
      disk.fail = (call) => (call === "datasync" ? systemError("EIO") : undefined);
      await peer.send(Buffer.concat([wal(0, 5000, 50_000), backend.error({ severity: "FATAL", code: "57P01", message: "terminating connection" })]));
      peer.end();
    });
    expect(end).toMatchObject({ kind: "failed", error: { code: "WAL_SYNC_FAILED" } });
    expect(flushes(statuses)).toEqual([0]);
  });

  it("with a full disk is held: answered with the position as it was, until it is let go", async () => {
    const { end, statuses } = await session(
      async (peer, heard) => {
        await peer.send(wal(0, 5000));
        await hears(heard, 5000);
        disk.fail = (call) => (call === "write" ? systemError("ENOSPC") : undefined);
        await peer.send(wal(5000, 6000), keepalive(6000, true));
        await peer.silence();
      },
    );
    expect(end).toMatchObject({ kind: "disk-full", error: { code: "WAL_DISK_FULL" } });
    expect(flushes(statuses)).toEqual([0, 5000]);
  });

  it("with a disk that shows only at a sync that it is full, and never says that less is written than is durable", async () => {
    const { end, statuses, progress, written } = await session(
      async (peer, heard) => {
        await peer.send(wal(0, 5000));
        await hears(heard, 5000);
        disk.fail = (call) => (call === "datasync" ? systemError("ENOSPC") : undefined);
        await peer.send(wal(5000, 6000));
        await peer.silence();
      },
      { statusIntervalMs: 20, heldFor: 3 },
    );
    expect(end).toMatchObject({ kind: "disk-full", error: { code: "WAL_DISK_FULL" } });
    expect(flushes(statuses)).toEqual([0, 5000]);
    expect(progress.at(-1)).toBe(5000);
    expect(written.map((position, at) => position >= (progress[at] ?? 0))).not.toContain(false);
  });

  it("with a sync that the disk refuses, and nothing of it was reported", async () => {
    const { end, statuses } = await session(async (peer, heard) => {
      await peer.send(wal(0, 5000));
      await hears(heard, 5000);
      disk.fail = (call) => (call === "datasync" ? systemError("EIO") : undefined);
      await peer.send(wal(5000, 6000));
      await peer.silence();
    });
    expect(end).toMatchObject({ kind: "failed", error: { code: "WAL_SYNC_FAILED" } });
    expect(flushes(statuses)).toEqual([0, 5000]);
    expect(directory.names()).toEqual([`${segment}.partial.unsynced`]);
  });
});
