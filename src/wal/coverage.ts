/**
 * Notes up to which moment of the server's clock everything that it had flushed is durable here. One message proves
 * nothing: a keepalive can be sent while more WAL waits to be sent. But a walsender looks at its flush position anew
 * before each data message, and between its answers to two questions of which the second was asked when the first was
 * answered: so what comes next says how much there was at the time of the message before. Questions that wait together
 * (a stalled server, a link that heals) are answered together, without a look in between: such answers prove nothing.
 */
import { messageOf, type Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { Lsn, TimelineId } from "../postgres/index.ts";
import type { Keepalive, WalServerState } from "../replication/index.ts";
import type { WalCoverageStore } from "../repository/index.ts";

/** How often the server is asked, milliseconds: so old at most is what is known of a server that writes nothing. */
export const coverageIntervalMs = 5_000;
/** Shortest time between two records: a little less, so that no answer that comes a moment early is left out. */
const recordIntervalMs = 4_500;

export interface ProvenMoment {
  readonly lsn: Lsn;
  /** Milliseconds since 1970, by the clock of the server. */
  readonly serverTime: number;
}

export interface CoverageTracker {
  /** An XLogData message is complete. */
  data(state: WalServerState): void;
  /** Returns true when a second question now would prove this moment. */
  keepalive(keepalive: Keepalive): boolean;
  /** A status update was sent that asks for a keepalive: to be said of every one, whoever asked. */
  asked(): void;
  /** The newest moment that is proven when everything before `flushed` is durable. */
  proven(flushed: Lsn): ProvenMoment | undefined;
}

export function createCoverageTracker(): CoverageTracker {
  /** The message before; `sent` when it was an answer and no question was left: the next answer is to a later one. */
  let previous: { readonly time: number; readonly sent: Lsn | undefined } | undefined;
  /** Questions without an answer. */
  let open = 0;
  /** The last question was the second one; under load the data says it all, and asking on would only add traffic. */
  let askedAgain = false;
  /** Proven as soon as its position is durable; a newer one does not replace it before, or it might never come true. */
  let waiting: ProvenMoment | undefined;
  let next: ProvenMoment | undefined;
  let best: ProvenMoment | undefined;

  const propose = (moment: ProvenMoment): void => {
    if (waiting === undefined) waiting = moment;
    else next = moment;
  };

  return {
    data({ serverEnd, serverTime }) {
      if (previous !== undefined) propose({ lsn: serverEnd, serverTime: previous.time });
      previous = { time: serverTime, sent: undefined };
    },
    keepalive({ serverEnd, serverTime, replyRequested }) {
      // A keepalive that asks comes by itself, after the server looked for WAL and not before.
      const answers = open > 0 && !replyRequested;
      const confirms = answers && previous?.sent === serverEnd;
      if (confirms) propose({ lsn: serverEnd, serverTime: previous?.time ?? serverTime });
      if (answers) open -= 1;
      const last = answers && open === 0;
      askedAgain = last && !confirms && !askedAgain;
      previous = { time: serverTime, sent: last ? serverEnd : undefined };
      return askedAgain;
    },
    asked() {
      open += 1;
    },
    proven(flushed) {
      while (waiting !== undefined && waiting.lsn <= flushed) {
        best = waiting;
        waiting = next;
        next = undefined;
      }
      return best;
    },
  };
}

export interface CoverageRecorder {
  /** Records a moment unless one was recorded just before. */
  note(moment: ProvenMoment): void;
  /** Records the last one. */
  finish(): Promise<void>;
}

/** Writes proven moments into the repository, at most one in `recordIntervalMs`. */
export function createCoverageRecorder(
  store: WalCoverageStore,
  timeline: TimelineId,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): CoverageRecorder {
  let latest: ProvenMoment | undefined;
  let written: ProvenMoment | undefined;
  let writtenAt = -Infinity;
  let writing: Promise<void> | undefined;

  const write = async (): Promise<void> => {
    const moment = latest;
    if (moment === undefined || moment === written) return;
    written = moment;
    writtenAt = clock.monotonic();
    try {
      await store.write({ timeline, ...moment });
    } catch (error) {
      // Without it a restore claims less; receiving must not end for that.
      logger.debug(`the proven moment could not be recorded: ${messageOf(error)}`);
    }
  };

  return {
    note(moment) {
      if (moment === latest) return;
      latest = moment;
      if (writing !== undefined || clock.monotonic() - writtenAt < recordIntervalMs) return;
      writing = write().finally(() => {
        writing = undefined;
      });
    },
    async finish() {
      await writing;
      await write();
    },
  };
}
