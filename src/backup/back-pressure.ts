/** Back-pressure is the socket's: it rests while anything behind it has too much in hand. */
import type { FlowControl } from "../replication/index.ts";

/** A promise while there is too much in hand; it never rejects. */
export type Pressure = () => Promise<void> | undefined;

export interface BackPressure {
  /** The socket to hold. */
  attach(flow: FlowControl): void;
  /** To be called after each piece: pauses the socket when that is due, and resumes it when all is well again. */
  heed(): void;
}

export function createBackPressure(pressure: Pressure): BackPressure {
  let flow: FlowControl | undefined;
  let held = false;

  const hold = async (control: FlowControl, first: Promise<void>): Promise<void> => {
    held = true;
    control.pause();
    for (let wait: Promise<void> | undefined = first; wait !== undefined; wait = pressure()) await wait;
    held = false;
    control.resume();
  };

  return {
    attach(control) {
      flow = control;
    },
    heed() {
      if (held || flow === undefined) return;
      const wait = pressure();
      if (wait !== undefined) void hold(flow, wait);
    },
  };
}
