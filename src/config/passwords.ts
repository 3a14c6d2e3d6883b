/** The `Passwords` of a configuration. */
import type { Admin } from "../vault/index.ts";
import type { Admins, Passwords } from "./configuration.ts";

/** Hides the passwords in a closure; the map must not be changed afterwards. */
export function passwordsOf(map: ReadonlyMap<string, string>): Passwords {
  return Object.freeze({
    names: Object.freeze([...map.keys()]),
    has: (name: string) => map.has(name),
    get: (name: string) => map.get(name),
  });
}

/** The same for logins with a role. */
export function adminsOf(map: ReadonlyMap<string, Admin>): Admins {
  return Object.freeze({
    names: Object.freeze([...map.keys()]),
    has: (name: string) => map.has(name),
    get: (name: string) => map.get(name)?.password,
    role: (name: string) => map.get(name)?.role,
  });
}
