/**
 * The slot of a server that follows another one moves by what is stored of that one, and only while both write the same WAL:
 * after two promotions apart, number and position of the timelines agree, and nothing else does.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../../src/common/index.ts";
import { silentLogger } from "../../../src/log/index.ts";
import { parseLsn, segmentStart, timelineId, type Lsn } from "../../../src/postgres/index.ts";
import { runSlotHolder, type ReceiverEvent } from "../../../src/wal/index.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { waitFor } from "../../support/wait-for.ts";
import { position, receive, writeWal } from "./receiving.ts";

const segmentSize = 1024 * 1024;
const slot = "follower";
let primary: Cluster;
let followed: Cluster;
let early: Cluster;
let late: Cluster;

beforeAll(async () => {
  primary = await createCluster({ walSegmentSize: segmentSize, settings: { wal_keep_size: "64MB" } });
  followed = await primary.createStandby();
  early = await primary.createStandby();
  late = await primary.createStandby();
});
afterAll(async () => {
  await primary?.destroy();
});

const kept = async (server: Cluster): Promise<Lsn> =>
  parseLsn(await server.value(`SELECT coalesce(restart_lsn, '0/0') FROM pg_replication_slots WHERE slot_name = '${slot}'`));
const replayed = (server: Cluster, end: Lsn): Promise<unknown> =>
  waitFor("the standby has it all", async () => parseLsn(await server.value("SELECT pg_last_wal_receive_lsn()")) >= end);

it("the slot of a follower goes along with its own line, and stays on another one of the same number", async () => {
  const receiving = receive(followed);
  await writeWal(primary, 3);
  const end = await position(primary);
  await receiving.flushed(segmentStart(end, segmentSize));

  /** Holds the slot on a server; what it says, and how to have it look again. */
  const hold = (server: Cluster) => {
    const { host, port, user } = server.connectionOptions;
    const events: ReceiverEvent[] = [];
    const controller = new AbortController();
    const wakers = new Set<() => void>();
    const ended = runSlotHolder(
      {
        server: "replica",
        connect: { host, port, user, tls: { mode: "disable" }, connectTimeoutMs: 30_000, keepAlive: true, noDelay: true, idleTimeoutMs: 60_000 },
        slot,
        createSlot: true,
        storage: receiving.storage,
        statusIntervalMs: 100,
        longestRetryMs: 200,
      },
      {
        clock: systemClock,
        logger: silentLogger,
        signal: controller.signal,
        report: (event) => events.push(event),
        onWake: (listener) => {
          wakers.add(listener);
          return () => void wakers.delete(listener);
        },
        stored: () => {
          const last = receiving.of("progress").at(-1);
          return last === undefined ? undefined : { server: "primary", timeline: last.timeline, lsn: last.flush };
        },
      },
    );
    const errors = (): string[] => events.flatMap((event) => (event.type === "state" && event.error !== undefined ? [event.error.message] : []));
    return { events, errors, stop: () => (controller.abort(), ended) };
  };
  const stored = (): Lsn => receiving.of("progress").at(-1)?.flush ?? (0n as Lsn);
  const holders = [hold(early), hold(late)] as const;
  for (const server of [early, late]) {
    await replayed(server, end);
    await waitFor("the slot is at the segment that is stored", async () => (await kept(server)) >= segmentStart(stored(), segmentSize), {
      seen: () => holders.map(({ errors }) => errors().at(-1)),
    });
  }

  // One leaves the others before they go on; those two part at the same position.
  await early.promote();
  await writeWal(primary, 1);
  for (const server of [followed, late]) await replayed(server, await position(primary));
  await primary.stop("immediate");
  const fork = parseLsn(await late.value("SELECT pg_last_wal_receive_lsn()"));
  const before = { early: await kept(early), late: await kept(late) };
  await followed.promote();
  await late.promote();
  for (const server of [followed, early, late]) await writeWal(server, 4);
  await receiving.flushed(segmentStart(await position(followed), segmentSize));
  expect(receiving.of("progress").at(-1)?.timeline).toBe(timelineId(2));
  for (const server of [early, late]) expect(await position(server)).toBeGreaterThan(fork + BigInt(2 * segmentSize));

  const said = [/not that of the server which follows it: timeline 2 comes from timeline 1 at .* there, and from timeline 1 at .* here/, /timeline 2 has other bytes before/];
  for (const [index, { errors }] of holders.entries()) {
    const seen = errors().length;
    await waitFor("the holder says why", () => errors().length > seen && said[index]?.test(errors().at(-1) ?? ""), { seen: () => errors().slice(-3) });
  }
  expect(await kept(early)).toBe(before.early);
  // Up to where they parted both have the same.
  expect(await kept(late)).toBeLessThanOrEqual(segmentStart(fork, segmentSize));
  for (const { stop } of holders) await stop();
});
