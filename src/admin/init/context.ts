/** What every step has at hand. */
import type { Ledger } from "./ledger.ts";
import type { LocalState } from "./local-state.ts";
import type { InitRequest, InitSurroundings, Wanted } from "./request.ts";
import type { Speech } from "./speech.ts";

export interface InitContext {
  readonly request: InitRequest;
  readonly surroundings: InitSurroundings;
  readonly local: LocalState;
  readonly wanted: Wanted;
  readonly speech: Speech;
  /** What was made, for whoever is interrupted. */
  readonly ledger: Ledger;
}
