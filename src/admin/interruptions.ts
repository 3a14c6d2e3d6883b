/** Ctrl-C and SIGTERM as an AbortSignal, and left to somebody else for a while. */

/** The part of a process that is needed. */
export interface SignalSource {
  on(name: "SIGINT" | "SIGTERM", listener: (name: NodeJS.Signals) => void): unknown;
  removeListener(name: "SIGINT" | "SIGTERM", listener: (name: NodeJS.Signals) => void): unknown;
}

export interface Interruptions {
  readonly signal: AbortSignal;
  /** A program that runs meanwhile has the terminal and hears Ctrl-C itself. */
  readonly leaveTo: <T>(work: () => Promise<T>) => Promise<T>;
  /** From now on a signal ends the process again. */
  readonly release: () => void;
}

const names = ["SIGINT", "SIGTERM"] as const;

/** Listens until it is released. The second signal ends the process, whatever hangs. */
export function createInterruptions(source: SignalSource): Interruptions {
  const controller = new AbortController();
  let left = false;
  const release = (): void => {
    for (const name of names) source.removeListener(name, onSignal);
  };
  const onSignal = (name: NodeJS.Signals): void => {
    if (left && name === "SIGINT") return;
    controller.abort(name);
    release();
  };
  for (const name of names) source.on(name, onSignal);
  return {
    signal: controller.signal,
    async leaveTo(work) {
      left = true;
      try {
        return await work();
      } finally {
        left = false;
      }
    },
    release,
  };
}
