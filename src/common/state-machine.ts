/** State machines written down as tables: which event leads from which state to which. */
import { commonErrors } from "./errors.ts";

/** Total over the states; an event that a state does not list is a defect and throws `STATE_TRANSITION`. */
export type TransitionTable<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>;

export interface StateMachine<State extends string, Event extends string> {
  readonly state: State;
  /** Applies the event and returns the new state. */
  handle(event: Event): State;
  /** Whether the present state knows the event. */
  accepts(event: Event): boolean;
}

export type TransitionListener<State extends string, Event extends string> = (from: State, event: Event, to: State) => void;

export function createStateMachine<State extends string, Event extends string>(
  table: TransitionTable<State, Event>,
  initial: State,
  onTransition?: TransitionListener<State, Event>,
): StateMachine<State, Event> {
  let state = initial;
  return {
    get state() {
      return state;
    },
    accepts: (event) => table[state][event] !== undefined,
    handle(event) {
      const row: Readonly<Partial<Record<Event, State>>> = table[state];
      const next = row[event];
      if (next === undefined) throw commonErrors.stateTransition(`event "${event}" is unknown in state "${state}"`, { state, event });
      const from = state;
      state = next;
      onTransition?.(from, event, next);
      return next;
    },
  };
}
