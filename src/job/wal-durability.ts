/**
 * What a backup knows of its WAL: the receiver's word, as the supervisor repeats it, for how far it is durable, and
 * the repository itself for whether it is all there.
 */
import { backupErrors, type WalDurability, type WalNeededByBackup } from "../backup/index.ts";
import { throwIfAborted } from "../common/index.ts";
import { formatLsn, lsn } from "../postgres/index.ts";
import { openWalInventory } from "../repository/index.ts";
import type { JobEnvironment } from "./job.ts";

/**
 * A receiver that was lost is started again within moments; a backup of hours does not end for that. One that says it
 * streams and brings nothing, although the server has written what is waited for, gets no more. Milliseconds.
 */
const PATIENCE_MS = 120_000;

export function createWalDurability(environment: JobEnvironment): WalDurability {
  const { clock, server, serverState, storage } = environment;
  const running = (): boolean => serverState().process === "running" && serverState().receiver === "streaming";

  /** How far WAL of the timeline is durable, by the receiver's word: all of it once a later timeline is received. */
  const received = ({ timeline, to }: WalNeededByBackup): boolean => {
    const state = serverState();
    return state.timeline === timeline ? state.flushLsn >= to : state.timeline > timeline;
  };

  /** Waits for the next change of the server's state, but not for ever: the wait for WAL that does not come has an end. */
  async function changed(longestMs: number, signal: AbortSignal): Promise<void> {
    const wake = new AbortController();
    const stop = environment.onServerChange(() => wake.abort());
    try {
      await clock.sleep(longestMs, AbortSignal.any([wake.signal, signal]));
    } catch (error) {
      throwIfAborted(signal);
      if (!wake.signal.aborted) throw error;
    } finally {
      stop();
    }
  }

  /** What has to change again and again while WAL is waited for: how far it is durable, and whether it is received. */
  const position = (): string => {
    const { timeline, flushLsn } = serverState();
    return `${timeline}/${flushLsn}/${running()}`;
  };

  async function waitUntilReceived(range: WalNeededByBackup, signal: AbortSignal): Promise<void> {
    let last = position();
    let since = clock.monotonic();
    while (!received(range)) {
      throwIfAborted(signal);
      if (position() !== last) {
        last = position();
        since = clock.monotonic();
      }
      const left = since + PATIENCE_MS - clock.monotonic();
      if (left <= 0) throw notReceived(range);
      await changed(left, signal);
    }
  }

  function notReceived({ to }: WalNeededByBackup) {
    const { receiver, error, flushLsn } = serverState();
    const why = error === "" ? `it is ${receiver}` : error;
    const trouble = running() ? `has brought nothing since ${formatLsn(lsn(flushLsn))}` : `does not receive (${why})`;
    return backupErrors.walMissing(`the receiver of ${server.name} ${trouble}, and the backup needs WAL up to ${formatLsn(to)}`, {
      server: server.name,
      to: formatLsn(to),
    });
  }

  async function checkRepository({ timeline, from, to, segmentSize, history }: WalNeededByBackup): Promise<void> {
    const inventory = openWalInventory(storage, server.name, segmentSize);
    const known = history ?? (await inventory.histories.read(timeline));
    if (known === undefined) {
      throw backupErrors.walMissing(`the history file of timeline ${timeline} of ${server.name} is missing`, {
        timeline,
      });
    }
    const continuity = await inventory.continuity({ from, to, history: known });
    if (continuity.complete) return;
    throw backupErrors.walMissing(`segment ${continuity.firstMissing} of ${server.name}: ${continuity.reason}`, {
      segment: continuity.firstMissing,
    });
  }

  return {
    receiverRunning: running,
    async waitUntilDurable(range, signal) {
      await waitUntilReceived(range, signal);
      await checkRepository(range);
    },
  };
}
