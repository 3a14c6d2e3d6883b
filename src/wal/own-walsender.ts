/** The server's processes for connections of ours: the only ones that we may end, also after a kill -9 of this process. */
import { messageOf } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { connect, quoteLiteral, type ConnectOptions } from "../replication/index.ts";
import { serverLayout } from "../repository/index.ts";
import type { Storage } from "../storage/index.ts";

export interface OwnWalsender {
  /** Records the process of a new connection. Never fails: without the record the server frees the slot by itself, later. */
  remember(pid: number): Promise<void>;
  /**
   * Ends the process that keeps the slot busy if it is a recorded one; anybody else's is left alone. Never fails, for
   * the same reason.
   */
  free(options: ConnectOptions, slot: string, signal: AbortSignal): Promise<void>;
}

const largestFile = 4096;
/** So many processes of this receiver are remembered: an old one can hold the slot while newer ones were refused. */
const remembered = 16;

export function createOwnWalsender(storage: Storage, server: string, logger: Logger): OwnWalsender {
  const path = serverLayout(server).walsender;
  let own: number[] | undefined;

  const attempt = async (what: string, step: () => Promise<void>): Promise<void> => {
    try {
      await step();
    } catch (error) {
      logger.debug(`${what}: ${messageOf(error)}`);
    }
  };

  /** With what a receiver before this process recorded. */
  const recorded = async (): Promise<number[]> => {
    if (own !== undefined) return own;
    own = [];
    await attempt("the record of earlier connections cannot be read", async () => {
      if ((await storage.stat(path)) !== undefined) own = parsePids((await storage.readFile(path, largestFile)).toString("utf8"));
    });
    return own;
  };

  return {
    async remember(pid) {
      own = [...(await recorded()).filter((one) => one !== pid), pid].slice(-remembered);
      const document = JSON.stringify({ version: 1, pids: own });
      await attempt("the connection could not be recorded", () => storage.replaceFile(path, `${document}\n`));
    },
    async free(options, slot, signal) {
      const pids = await recorded();
      await attempt("the slot could not be freed", () => endWalsender(options, slot, pids, logger, signal));
    },
  };
}

function parsePids(text: string): number[] {
  const document: unknown = JSON.parse(text);
  const pids: unknown = typeof document === "object" && document !== null && "pids" in document ? document.pids : undefined;
  return Array.isArray(pids) ? pids.filter((pid): pid is number => Number.isInteger(pid) && pid > 0).slice(-remembered) : [];
}

/** One role may end its own processes. The slot, the role, the name and the address must be ours as well as the number. */
async function endWalsender(options: ConnectOptions, slot: string, pids: readonly number[], logger: Logger, signal: AbortSignal): Promise<void> {
  const sql = await connect({ ...options, replication: false, database: options.database ?? "postgres" }, signal);
  try {
    // Operators and functions come from PostgreSQL itself, whatever lies in the search path of the role.
    await sql.query("SET search_path = pg_catalog", signal);
    const name = quoteLiteral(slot);
    const results = await sql.query(
      `SELECT a.pid, pg_terminate_backend(a.pid) FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid
        WHERE s.slot_name = ${name} AND a.pid IN (${[0, ...pids].join(", ")}) AND a.usename = current_user
          AND a.application_name = ${name} AND a.client_addr IS NOT DISTINCT FROM inet_client_addr()`,
      signal,
    );
    const pid = results[0]?.rows[0]?.[0];
    if (typeof pid === "string") logger.info(`ended our earlier connection ${pid}, which kept the slot "${slot}" busy`, { slot, pid: Number(pid) });
  } finally {
    await sql.terminate();
  }
}
