/** How long whoever cancels waits for what he cancelled to end. */

/** A job that does not obey is killed after a third of this; the programs of operators wait twice as long for an answer. Milliseconds. */
export const CANCEL_ANSWER_MS = 30_000;

/** Resolves when the signal fires. */
export function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const tell = (): void => resolve(undefined);
    if (signal.aborted) tell();
    else signal.addEventListener("abort", tell, { once: true });
  });
}
