/** How long a test that can be long is to be. */

/**
 * A whole number from 1 up in the environment, else `usual`. Anything else is an error: as a number of rounds it would
 * be a test of nothing that passes.
 */
export function countFromEnvironment(name: string, usual: number): number {
  const text = process.env[name];
  if (text === undefined) return usual;
  const count = /^[0-9]+$/.test(text) ? Number(text) : 0;
  if (!Number.isSafeInteger(count) || count < 1) throw new Error(`${name} takes a whole number from 1 up, not "${text}"`);
  return count;
}

/**
 * Whether another round may begin: always, or up to MONETA_MINUTES after this call. Those that were are judged as all
 * of them would be; a loop that is stopped from outside says nothing.
 */
export function timeForAnother(): () => boolean {
  const minutes = process.env["MONETA_MINUTES"] === undefined ? Infinity : countFromEnvironment("MONETA_MINUTES", 1);
  const until = performance.now() + minutes * 60_000;
  return () => performance.now() < until;
}
