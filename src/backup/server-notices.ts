/** What the server says while it sends: for the log, and where it is a warning, for the operator. */
import type { Logger } from "../log/index.ts";
import type { ServerNotice } from "../replication/index.ts";

export interface ServerNotices {
  readonly take: (notice: ServerNotice) => void;
  /** Sentences, the first ones only. */
  readonly warnings: readonly string[];
}

const kept = 20;

export function createServerNotices(logger: Logger): ServerNotices {
  const warnings: string[] = [];
  let dropped = 0;
  return {
    take({ sqlstate, message, detail }) {
      const text = `the server says: ${message}${detail === undefined ? "" : ` (${detail})`}`;
      // The severity comes in the server's language, its code does not: class 00 is a notice, any other a warning.
      const warns = !sqlstate.startsWith("00");
      // A server with a million odd files shall not fill the log.
      // Sizes are estimated in a first walk over all files, so that the server says most things twice.
      if (warns && warnings.includes(text)) return;
      if (warns && warnings.length >= kept) {
        dropped += 1;
        if (dropped === 1) logger.warn("the server has more warnings, they are in its own log");
        return;
      }
      if (warns) {
        logger.warn(text, { sqlstate });
        warnings.push(text);
      } else logger.info(text, { sqlstate });
    },
    warnings,
  };
}
