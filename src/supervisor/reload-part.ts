/**
 * How a part of the daemon takes part in a reload. Everything that can go wrong goes wrong in `prepare`, which changes nothing that
 * can be seen; when every part is ready they all commit in one turn of the event loop, or none does.
 */
import type { ConfigurationDifference, LoadedConfiguration } from "../config/index.ts";

export interface ConfigurationChange {
  readonly before: LoadedConfiguration;
  /** What is to be in force: keys that need a restart have the values of `before`. */
  readonly after: LoadedConfiguration;
  readonly difference: ConfigurationDifference;
}

export interface ReloadPart {
  /** For the log, as "the log" or "the servers". */
  readonly name: string;
  /** Makes ready. Throws why the change cannot be made. */
  prepare(change: ConfigurationChange): Promise<PreparedPart>;
}

export interface PreparedPart {
  /** What an operator should know of it, in sentences. */
  readonly effects?: readonly string[];
  /** Puts the change in force. Must not fail; what can is done in `prepare`. */
  commit(): void;
  /** Another part is not ready: what was made ready is let go. */
  abandon(): Promise<void>;
}

/** A part that has nothing to make ready. */
export function plainPart(name: string, commit: (change: ConfigurationChange) => void): ReloadPart {
  return {
    name,
    prepare: async (change) => ({ commit: () => commit(change), abandon: async () => undefined }),
  };
}
