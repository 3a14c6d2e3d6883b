/**
 * Another cluster takes the place of the one whose WAL is stored: pg_upgrade, initdb, another machine. That is never guessed
 * from what answers at the address: somebody says so, and then the WAL of both is kept apart.
 */
import { throwIfAborted } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import { readServerFacts } from "../replication/index.ts";
import { changeLineage, formerLineages, identityOfStoredWal, openServerIdentity, type ServerIdentity } from "../repository/index.ts";
import { walErrors } from "./errors.ts";
import type { ReceiverOptions } from "./receiver-options.ts";

export interface LineageOptions extends Pick<ReceiverOptions, "server" | "storage" | "connect"> {
  /** System identifier of the cluster that is expected there; without it whatever is there. */
  readonly expected: string | null;
}

export interface AcceptedLineage {
  /** System identifiers. */
  readonly from: string;
  readonly to: string;
  /** WAL of it from an earlier time was there, and is the present one's again. */
  readonly returned: boolean;
}

/**
 * Looks who is at the server's address and makes that the present cluster. Nobody may read, receive or archive WAL of the
 * server meanwhile. Throws WAL_LINEAGE_REFUSED when there is nothing to accept, or another cluster than the expected one,
 * and what connecting throws; then nothing has changed.
 */
export async function acceptLineage(
  { server, storage, connect, expected }: LineageOptions,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<AcceptedLineage> {
  const facts = await readServerFacts({ ...connect, replication: true, applicationName: "moneta lineage" }, {}, signal);
  const known = (await openServerIdentity(storage, server).read()) ?? (await identityOfStoredWal(storage, server));
  const to = facts.systemIdentifier;
  refuse(server, { known, found: { systemIdentifier: to, segmentSize: facts.segmentSize }, expected, host: facts.host });
  const from = known?.systemIdentifier ?? "";
  const returned = (await formerLineages(storage, server)).includes(to);
  throwIfAborted(signal);
  await changeLineage(storage, server, from, { systemIdentifier: to, segmentSize: facts.segmentSize });
  logger.warn(`cluster ${to} takes the place of ${from} from now on${returned ? ", as it had it before" : ""}; the WAL of ${from} is kept apart`, { from, to });
  return { from, to, returned };
}

interface Meeting {
  readonly known: ServerIdentity | undefined;
  readonly found: ServerIdentity;
  readonly expected: string | null;
  readonly host: string;
}

function refuse(server: string, { known, found, expected, host }: Meeting): void {
  const { systemIdentifier } = found;
  const no = (why: string) => walErrors.lineageRefused(why, { server, found: systemIdentifier, known: known?.systemIdentifier ?? "" });
  if (expected !== null && expected !== systemIdentifier) throw no(`${host} is cluster ${systemIdentifier} and not ${expected}: nothing is accepted`);
  if (known === undefined) throw no(`no WAL of "${server}" is stored yet: the first cluster, ${systemIdentifier}, needs no command`);
  if (known.systemIdentifier !== systemIdentifier) return;
  if (known.segmentSize === found.segmentSize) throw no(`${host} is cluster ${systemIdentifier}, whose WAL is stored already: there is nothing to accept`);
  throw no(
    `cluster ${systemIdentifier} has WAL segments of ${found.segmentSize} bytes now, and of ${known.segmentSize} here: pg_resetwal gives no new system identifier, so the WAL of both could not be told apart; use a new server section`,
  );
}
