/** Keeps the reserve of the repository filled, and says when it had to be given up. */
import { messageOf, type Clock } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { Reserve } from "../storage/index.ts";

/** Looks after the reserve now and every `intervalMs` until `signal` fires. Never fails: without it the daemon works as well. */
export async function keepReserve(
  fill: Reserve["fill"],
  options: { readonly clock: Clock; readonly intervalMs: number; readonly signal: AbortSignal; readonly logger: Logger },
): Promise<void> {
  const { clock, intervalMs, logger, signal } = options;
  let missing = 0;
  let trouble = "";
  const look = async (): Promise<void> => {
    try {
      const { pieces, wanted } = await fill();
      const lacking = wanted - pieces;
      if (lacking > missing) logger.warn(`the file system of the repository is (nearly) full: ${lacking} of the ${wanted} pieces of room kept for metadata are not there`);
      if (lacking === 0 && missing > 0) logger.info("the room kept for metadata is complete again");
      missing = lacking;
      trouble = "";
    } catch (error) {
      const message = messageOf(error);
      if (message !== trouble) logger.warn(`no room can be kept for metadata: ${message}`);
      trouble = message;
    }
  };
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(intervalMs, signal);
      await look();
    }
  };
  await look();
  loop().catch(() => undefined); // Only the signal ends the sleep: the daemon stops.
}
