/** What the daemon keeps of those who may log in: not their passwords. */
import { createScramSecret, stableSalt, type Role } from "../auth/index.ts";
import type { AdminLogin } from "./server-login.ts";

/** Logins of remote management, as the configuration has them. */
export interface AdminSource {
  readonly names: readonly string[];
  get(name: string): string | undefined;
  role(name: string): Role | undefined;
}

/**
 * Derives what a login is checked against, once for all logins, so that each takes the same time, whoever it is. The salts
 * come from `saltKey`, as those of users who do not exist: nobody can tell them apart.
 */
export async function buildAdminDirectory(admins: AdminSource, saltKey: Buffer): Promise<ReadonlyMap<string, AdminLogin>> {
  const logins = new Map<string, AdminLogin>();
  for (const name of admins.names) {
    const password = admins.get(name);
    const role = admins.role(name);
    if (password === undefined || role === undefined) continue;
    logins.set(name, { secret: await createScramSecret(password, stableSalt(saltKey, name)), role });
  }
  return logins;
}
