/** The oldest WAL that the server still has, when what comes next was removed: the gap shall be as small as can be. */
import { lsn, segmentStart, timelineEnd, type Lsn, type TimelineHistory, type TimelineId } from "../postgres/index.ts";
import { connect, replicationErrors, startWalStream, type ConnectOptions } from "../replication/index.ts";

/** A segment that the server can send. */
export interface AvailableWal {
  readonly timeline: TimelineId;
  /** Start of the segment. */
  readonly start: Lsn;
}

/** Can the server send the segment at `start`? Asked by streaming a little of it, without the slot. */
async function canStream(options: ConnectOptions, { timeline, start }: AvailableWal, signal: AbortSignal): Promise<boolean> {
  const connection = await connect(options, signal);
  const giveUp = new AbortController();
  try {
    return await new Promise<boolean>((resolve, reject) => {
      const stream = startWalStream(
        connection,
        { timeline, start },
        {
          onData: () => {
            resolve(true);
          },
          // Nothing to send from there: the server has no WAL beyond, so it has not removed it either.
          onKeepalive: ({ serverEnd }) => {
            if (serverEnd <= start) resolve(true);
          },
          onTimelineEnd: () => {
            resolve(true);
          },
          onClosed: (error) => {
            const removed: boolean = replicationErrors.walRemoved.is(error);
            if (error === undefined) resolve(true);
            else if (removed) resolve(false);
            else reject(error);
          },
        },
      );
      signal.addEventListener("abort", () => stream.stop(), { signal: giveUp.signal });
    });
  } finally {
    giveUp.abort();
    connection.destroy();
    await connection.closed;
  }
}

export interface MissingWal {
  /** Timeline and position that the server no longer has. */
  readonly timeline: TimelineId;
  readonly missing: Lsn;
  readonly history: TimelineHistory;
  /** The server's present position, which it always has. */
  readonly newest: Lsn;
  readonly segmentSize: number;
}

/**
 * The first segment at or after `missing` that can be streamed, on the timeline that has it along the server's
 * history. Found by halving: WAL is removed oldest first, whatever its timeline.
 */
export async function firstAvailable(options: ConnectOptions, wanted: MissingWal, signal: AbortSignal): Promise<AvailableWal> {
  const { history, newest, segmentSize } = wanted;
  const line = [...history.entries.map((entry) => entry.timeline), history.timeline];
  let from = segmentStart(wanted.missing, segmentSize);
  for (const timeline of line.slice(line.indexOf(wanted.timeline))) {
    const left = timelineEnd(history, timeline);
    if (left === undefined) break;
    // Of the segment in which a timeline was left the successor has a copy, which the server sends for both.
    const last = segmentStart(left, segmentSize);
    if (last > from && (await canStream(options, { timeline, start: lsn(last - BigInt(segmentSize)) }, signal))) {
      return { timeline, start: await halve(options, timeline, from, lsn(last - BigInt(segmentSize)), segmentSize, signal) };
    }
    from = last > from ? last : from;
    const child = line[line.indexOf(timeline) + 1] ?? history.timeline;
    if (await canStream(options, { timeline: child, start: from }, signal)) return { timeline: child, start: from };
  }
  const { timeline } = history;
  return { timeline, start: await halve(options, timeline, from, segmentStart(newest, segmentSize), segmentSize, signal) };
}

/** `removed` is not there, `there` is; the first one that is. */
async function halve(
  options: ConnectOptions,
  timeline: TimelineId,
  removed: Lsn,
  there: Lsn,
  segmentSize: number,
  signal: AbortSignal,
): Promise<Lsn> {
  const size = BigInt(segmentSize);
  let low = removed / size;
  let high = there / size;
  while (high - low > 1n) {
    const middle = low + (high - low) / 2n;
    if (await canStream(options, { timeline, start: lsn(middle * size) }, signal)) high = middle;
    else low = middle;
  }
  return lsn(high * size);
}
