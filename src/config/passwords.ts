/** The `Passwords` of a configuration. */
import type { Passwords } from "./configuration.ts";

/** Hides the passwords in a closure; the map must not be changed afterwards. */
export function passwordsOf(map: ReadonlyMap<string, string>): Passwords {
  return Object.freeze({
    names: Object.freeze([...map.keys()]),
    has: (name: string) => map.has(name),
    get: (name: string) => map.get(name),
  });
}
