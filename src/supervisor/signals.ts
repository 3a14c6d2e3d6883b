/**
 * Signals of the supervisor. TERM, INT and ALRM (as in pgmoneta) stop: the first in order, the second at once. HUP opens the
 * log again. USR1 would open Node's debugger and USR2 means nothing here: both are ignored, as is PIPE.
 */
export interface SignalActions {
  /** The first request to stop. */
  readonly stop: (signal: string) => void;
  /** Any further one. */
  readonly force: (signal: string) => void;
  readonly hangUp: () => void;
  readonly ignored: (signal: string) => void;
}

export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
}

export function listenToSignals(source: SignalSource, actions: SignalActions): void {
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT", "SIGALRM"] as const) {
    source.on(signal, () => {
      if (stopping) actions.force(signal);
      else actions.stop(signal);
      stopping = true;
    });
  }
  source.on("SIGHUP", actions.hangUp);
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const) source.on(signal, () => actions.ignored(signal));
  // A pipe that nobody reads shows as an error of the write.
  source.on("SIGPIPE", () => undefined);
}

export interface Stoppable {
  /** Ends it in order. */
  readonly stop: (reason: string) => void;
  /** Ends it at once. */
  readonly force: (reason: string) => void;
}

/**
 * Stands for what is still starting: the request to stop is kept and passed on when it has started, so that what is half
 * started is not torn apart; whoever does not want to wait for that is heard by `abandon`.
 */
export function stoppableFromTheStart(abandon: (reason: string) => void): Stoppable & { readonly started: (target: Stoppable) => void } {
  let kept: string | undefined;
  let target: Stoppable | undefined;
  return {
    stop(reason) {
      if (target === undefined) kept ??= reason;
      else target.stop(reason);
    },
    force(reason) {
      if (target === undefined) abandon(reason);
      else target.force(reason);
    },
    started(stoppable) {
      target = stoppable;
      if (kept !== undefined) target.stop(kept);
    },
  };
}
