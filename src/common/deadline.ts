/** Time limits and cancellation around one asynchronous step. */
import { commonErrors } from "./errors.ts";
import type { MonetaError } from "./moneta-error.ts";

/** Throws `ABORTED` when the signal has fired; call it between the steps of a procedure. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw commonErrors.aborted("the operation was cancelled", {}, signal.reason);
}

/**
 * A signal that fires after `ms`, or when `signal` does. Not AbortSignal.any over AbortSignal.timeout: nothing holds
 * such a time-out signal but its dependant, so it is garbage collected before its time, and never fires.
 */
export function timeLimit(ms: number, signal: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const onAbort = (): void => {
    clearTimeout(timer);
    controller.abort(signal.reason);
  };
  const timer = setTimeout(() => {
    signal.removeEventListener("abort", onAbort);
    controller.abort(commonErrors.timeout(`the time limit of ${ms} ms is over`));
  }, ms);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  return controller.signal;
}

/**
 * Runs `run` with a signal that fires after `ms` or when the outer `signal` fires. Rejects as soon as either
 * happens, whether or not `run` listens: a step that ignores its signal must not hold up its caller.
 */
export async function withTimeout<T>(
  ms: number,
  signal: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
  onTimeout: () => MonetaError = () => commonErrors.timeout(`no answer within ${ms} ms`),
): Promise<T> {
  throwIfAborted(signal);
  const controller = new AbortController();
  return await new Promise<T>((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      controller.abort(signal?.reason);
      reject(commonErrors.aborted("the operation was cancelled", {}, signal?.reason));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      const error = onTimeout();
      controller.abort(error);
      reject(error);
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
    run(controller.signal)
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      });
  });
}
