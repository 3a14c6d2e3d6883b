import { versionTraits } from "../postgres/index.ts";
import { showParameter } from "./commands.ts";
import type { Connection } from "./connection.ts";
import { sqlStateOf } from "./errors.ts";

const unknowable = new Set(["42704", "42501"]);

/**
 * Is the server at the other end of this very connection in recovery? Another connection to the same address can lead
 * to another server (a load balancer, a name with several addresses). `undefined` when it cannot be told.
 */
export async function isInRecovery(connection: Connection, signal?: AbortSignal): Promise<boolean | undefined> {
  try {
    if (versionTraits(connection.serverVersion).showsRecovery) return (await showParameter(connection, "in_hot_standby", signal)) === "on";
    // Every transaction of a standby is read-only; on a primary only where that is the default.
    if ((await showParameter(connection, "transaction_read_only", signal)) === "off") return false;
    return (await showParameter(connection, "default_transaction_read_only", signal)) === "off" ? true : undefined;
  } catch (error) {
    if (unknowable.has(sqlStateOf(error) ?? "")) return undefined;
    throw error;
  }
}
