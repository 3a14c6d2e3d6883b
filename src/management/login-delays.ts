/**
 * How long somebody has to wait who failed to log in, by address: guessing passwords takes for ever, and a typing
 * mistake costs nothing.
 */
import { isIPv6 } from "node:net";
import type { Clock } from "../common/index.ts";

export interface LoginDelays {
  /** Milliseconds until this address may try again; 0 when it may now. */
  wait(address: string): number;
  /** Counts a failure; returns the milliseconds from now on in which nothing of this address is looked at. */
  failed(address: string): number;
  /** Addresses that are remembered. */
  readonly size: number;
}

/** As many failures are free. */
const free = 2;
const firstMs = 1_000;
const longestMs = 60_000;
/** Without a failure for so long an address is forgotten. */
const memoryMs = 10 * 60_000;
/** Addresses that are remembered; beyond it the one goes whose last failure is the oldest. */
const maxAddresses = 1_024;

/** Whoever has an IPv6 network has 2^64 addresses of it: they count as one. */
function keyOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("%", 1)[0]?.split("::") ?? [];
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...zeros, ...right].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(":");
}

export function createLoginDelays(clock: Pick<Clock, "monotonic">): LoginDelays {
  /** In the order of the last failure. */
  const known = new Map<string, { failures: number; lastAt: number; until: number }>();

  const forgetOld = (now: number): void => {
    for (const [key, { lastAt }] of known) {
      if (now - lastAt < memoryMs && known.size < maxAddresses) return;
      known.delete(key);
    }
  };
  return {
    wait(address) {
      const found = known.get(keyOf(address));
      return found === undefined ? 0 : Math.max(0, found.until - clock.monotonic());
    },
    failed(address) {
      const now = clock.monotonic();
      const key = keyOf(address);
      const before = known.get(key);
      known.delete(key);
      forgetOld(now);
      const failures = (before === undefined || now - before.lastAt >= memoryMs ? 0 : before.failures) + 1;
      const delay = failures <= free ? 0 : Math.min(longestMs, firstMs * 2 ** Math.min(20, failures - free - 1));
      known.set(key, { failures, lastAt: now, until: now + delay });
      return delay;
    },
    get size() {
      return known.size;
    },
  };
}
