/** A place to wait at until somebody opens it: how a consumer with too much in hand holds up whoever feeds it. */

export interface Gate {
  /** Settles at the next `open`, never rejects; the same promise for everybody who waits until then. */
  wait(): Promise<void>;
  /** Lets all go who wait at this moment. Whoever comes later waits for the next time. */
  open(): void;
}

export function createGate(): Gate {
  let waiting: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  return {
    wait() {
      if (waiting === undefined) {
        let resolve = (): void => undefined;
        const promise = new Promise<void>((settle) => {
          resolve = settle;
        });
        waiting = { promise, resolve };
      }
      return waiting.promise;
    },
    open() {
      const before = waiting;
      waiting = undefined;
      before?.resolve();
    },
  };
}
