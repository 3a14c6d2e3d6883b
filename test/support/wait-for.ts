/** How long a condition may take to come true before the test fails: generous, because machines differ. */
const DEFAULT_DEADLINE_MS = 120_000;

export interface WaitOptions {
  readonly deadlineMs?: number;
  /** How long to rest after a look; default: a tenth of what was waited already, 20 to 100 ms. */
  readonly everyMs?: number;
  /** What was seen at the last look; appended to the message of the failure. */
  readonly seen?: () => unknown;
}

/**
 * Looks again and again until `look` yields something other than undefined or false, and returns that.
 * A look that throws counts as "not yet"; the last error is the cause of the failure.
 */
export async function waitFor<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  options: WaitOptions = {},
): Promise<T> {
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
  const start = performance.now();
  let lastError: unknown;
  for (;;) {
    const begun = performance.now();
    try {
      const result = await look();
      lastError = undefined;
      if (result !== undefined && result !== false) return result;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() - start > deadlineMs) break;
    // A look that is dear is not to take the cores from what is waited for.
    const dear = 4 * (performance.now() - begun);
    const usual = Math.min(100, Math.max(20, (begun - start) / 10));
    await new Promise((resolve) => setTimeout(resolve, Math.max(options.everyMs ?? usual, Math.min(dear, 1000))));
  }
  const seen = options.seen === undefined ? "" : `; last seen: ${describe(options.seen())}`;
  const reason = lastError === undefined ? "" : `; last error: ${describe(lastError)}`;
  throw new Error(`waited ${deadlineMs / 1000} s in vain until ${what}${seen}${reason}`, { cause: lastError });
}

function describe(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.message;
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "bigint" ? inner.toString() : inner));
}
