/** What has been made so far: told when it ends early, so that nobody has to look for it. */
import type { Speech } from "./speech.ts";

export interface Ledger {
  /** Something exists from now on: `the master key /var/lib/moneta/.pgmoneta/master.key`. */
  add(what: string): void;
  made(): readonly string[];
  /** Says what there is before the failure is told. */
  tell(speech: Speech): void;
}

export function createLedger(): Ledger {
  const made: string[] = [];
  return {
    add: (what) => void made.push(what),
    made: () => made,
    tell(speech) {
      speech.heading(made.length === 0 ? "It ended before anything was changed." : "It ended early. By now there is:");
      for (const what of made) speech.mark("done", what);
      speech.blank();
    },
  };
}
