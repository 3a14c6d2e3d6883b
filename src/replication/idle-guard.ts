/**
 * Notices that nothing arrives. Arming starts the clock anew; every `touch` moves the end on. Timers are not
 * touched per message: one runs, and looks at the time of the last byte when it fires.
 */
export interface IdleGuard {
  /** Watches from now on; `timeoutMs` of 0 watches nothing. */
  arm(timeoutMs: number): void;
  disarm(): void;
  touch(): void;
  /** Milliseconds since the last byte, or since arming. */
  idleMs(): number;
}

export function createIdleGuard(onIdle: (idleMs: number) => void): IdleGuard {
  let last = performance.now();
  let limit = 0;
  let timer: NodeJS.Timeout | undefined;
  let generation = 0;

  const check = (): void => {
    const seen = last;
    const mine = generation;
    if (performance.now() - last < limit) {
      schedule();
      return;
    }
    // A busy loop runs its timers before it reads: bytes that wait in the socket get their turn first.
    setImmediate(() => {
      setImmediate(() => {
        if (mine !== generation) return;
        if (last === seen) onIdle(performance.now() - last);
        else schedule();
      });
    });
  };
  const schedule = (): void => {
    timer = setTimeout(check, Math.max(1, limit - (performance.now() - last)));
  };

  return {
    arm(timeoutMs) {
      this.disarm();
      last = performance.now();
      limit = timeoutMs;
      if (timeoutMs > 0) schedule();
    },
    disarm() {
      generation++;
      clearTimeout(timer);
    },
    touch() {
      last = performance.now();
    },
    idleMs: () => performance.now() - last,
  };
}
