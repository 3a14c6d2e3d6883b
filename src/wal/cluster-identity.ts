/** One directory holds the WAL of one cluster: anything else at the server's address is refused before a byte is written. */
import { messageOf, setAsideSync } from "../common/index.ts";
import type { Logger } from "../log/index.ts";
import type { ServerFacts, SystemIdentity } from "../replication/index.ts";
import { finishLineageChange, identityOfStoredWal, openServerIdentity, openWalInventory, repositoryErrors, serverLayout, type ServerIdentity, type WalInventory } from "../repository/index.ts";
import type { ReceiverOptions } from "./receiver-options.ts";
import { walErrors } from "./errors.ts";

/**
 * Remembers the cluster at the first contact, and makes the WAL directory. Throws WAL_OTHER_CLUSTER when the server is
 * another one than the one remembered, or than the one that WAL without a memory comes from; SERVER_IDENTITY_DAMAGED
 * when that cannot be told.
 */
export async function openInventoryOf(receiver: ReceiverOptions, facts: ServerFacts, logger: Logger): Promise<WalInventory> {
  const { server, storage } = receiver;
  if (await finishLineageChange(storage, server)) logger.warn(`the change of ${server} to another cluster, which was interrupted, is finished`);
  const store = openServerIdentity(storage, server);
  const { systemIdentifier, segmentSize } = facts;
  const known = await readKnown(receiver, logger);
  if (known === undefined) {
    const stored = await identityOfStoredWal(storage, server);
    if (stored !== undefined) refuseOther(server, stored, { systemIdentifier, segmentSize }, facts.host);
    await store.write({ systemIdentifier, segmentSize });
    logger.info(`first contact with cluster ${systemIdentifier}`, { systemIdentifier, segmentSize });
  } else {
    refuseOther(server, known, { systemIdentifier, segmentSize }, facts.host);
  }
  await storage.makeDirectory(serverLayout(server).wal);
  return openWalInventory(storage, server, segmentSize);
}

/**
 * A record that cannot be read is kept for a person and made anew from the stored WAL, which knows where it comes from;
 * without any WAL nobody does, and nothing is received.
 */
async function readKnown({ server, storage }: ReceiverOptions, logger: Logger): Promise<ServerIdentity | undefined> {
  try {
    return await openServerIdentity(storage, server).read();
  } catch (error) {
    if (!repositoryErrors.identityDamaged.is(error)) throw error;
    if ((await identityOfStoredWal(storage, server)) === undefined) throw error;
    const aside = setAsideSync(storage.absolutePath(serverLayout(server).identity), "damaged");
    logger.error(`${messageOf(error)}; it is kept as "${aside}" and made anew from the stored WAL`);
    return undefined;
  }
}

function refuseOther(server: string, known: ServerIdentity, found: ServerIdentity, host: string): void {
  if (known.systemIdentifier === found.systemIdentifier && known.segmentSize === found.segmentSize) return;
  throw walErrors.otherCluster(
    `${host} is cluster ${found.systemIdentifier} with segments of ${found.segmentSize} bytes; the WAL stored for "${server}" belongs to ${known.systemIdentifier} with ${known.segmentSize}`,
    { server, known: known.systemIdentifier, found: found.systemIdentifier },
  );
}

/** The facts came over other connections: an address can lead elsewhere from one to the next. */
export function refuseOtherConnection(receiver: ReceiverOptions, facts: ServerFacts, identity: SystemIdentity): void {
  const { systemIdentifier, segmentSize } = facts;
  refuseOther(receiver.server, { systemIdentifier, segmentSize }, { systemIdentifier: identity.systemIdentifier, segmentSize }, facts.host);
}
