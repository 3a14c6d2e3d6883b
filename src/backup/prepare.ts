/** Everything that can be known before the first byte: the server, its prerequisites, the label, the room. */
import type { Logger } from "../log/index.ts";
import {
  checkPrerequisites,
  connect,
  prerequisiteOfFailure,
  readServerFacts,
  type ConnectOptions,
  type Connection,
  type Prerequisite,
  type ServerFacts,
  type ServerNotice,
} from "../replication/index.ts";
import { identityOfStoredWal, openCatalog, openServerIdentity, serverLayout, type BackupInfo } from "../repository/index.ts";
import type { BackupDependencies, BackupOptions } from "./backup-options.ts";
import { backupErrors } from "./errors.ts";
import { openSpaceWatch, type SpaceWatch } from "./space.ts";

export interface PreparedBackup {
  readonly facts: ServerFacts;
  readonly label: string;
  readonly space: SpaceWatch;
  /** All of the server, oldest first. */
  readonly backups: readonly BackupInfo[];
  /** For the result: prerequisites that only work less well. */
  readonly warnings: readonly string[];
}

/**
 * Throws BACKUP_WITHOUT_WAL, BACKUP_PREREQUISITE_MISSING naming the statement that fixes it, BACKUP_OTHER_CLUSTER, and
 * what connecting throws.
 */
export async function prepareBackup(options: BackupOptions, deps: BackupDependencies): Promise<PreparedBackup> {
  const { server, storage, spec } = options;
  if (!deps.wal.receiverRunning()) {
    throw backupErrors.receiverNotRunning(`the receiver of "${server}" does not stream, so the WAL of a backup would be missing`, { server });
  }
  const facts = await explainFailure(options, readServerFacts(backupConnection(options), {}, deps.signal));
  const warnings = refuseWithoutPrerequisites(facts, deps.logger);
  await refuseOtherCluster(options, facts);
  const catalog = openCatalog(storage, server);
  const label = await catalog.nextLabel(deps.clock);
  const path = serverLayout(server).backups;
  const { segmentSize } = facts;
  const backups = await catalog.list();
  const space = await openSpaceWatch({ storage, path, spec, segmentSize, backups });
  return { facts, label, space, backups, warnings };
}

/** Opens the connection over which the backup comes. Throws as `prepareBackup`. */
export function connectForBackup(
  options: BackupOptions,
  onNotice: (notice: ServerNotice) => void,
  signal: AbortSignal,
): Promise<Connection> {
  return explainFailure(options, connect({ ...backupConnection(options), onNotice }, signal));
}

/** A walsender always has something to send; a disk that stalls longer than this is lost for a backup. Milliseconds. */
const standardIdleTimeout = 10 * 60_000;

/** How every connection of a backup is made. */
export function backupConnection({ connect: how }: BackupOptions): ConnectOptions {
  return { idleTimeoutMs: standardIdleTimeout, ...how, replication: true, applicationName: "moneta backup" };
}

/** A refused connection often says which statement would have helped. */
async function explainFailure<T>({ connect: { user, host } }: BackupOptions, connecting: Promise<T>): Promise<T> {
  try {
    return await connecting;
  } catch (error) {
    const missing = prerequisiteOfFailure(error, user, host);
    throw missing === undefined ? error : prerequisiteError(missing, error);
  }
}

function prerequisiteError({ code, message, statement }: Prerequisite, cause?: unknown) {
  return backupErrors.prerequisite(sentence(message, statement), { code, ...(statement === undefined ? {} : { statement }) }, cause);
}

function sentence(message: string, statement: string | undefined): string {
  return statement === undefined ? message : `${message}; to put it right: ${statement}`;
}

function refuseWithoutPrerequisites(facts: ServerFacts, logger: Logger): string[] {
  const missing = checkPrerequisites(facts).filter(({ ok }) => !ok);
  const fatal = missing.find(({ severity }) => severity === "error");
  if (fatal !== undefined) throw prerequisiteError(fatal);
  const warnings = missing.map(({ message, statement }) => sentence(message, statement));
  for (const warning of warnings) logger.warn(warning);
  return warnings;
}

async function refuseOtherCluster(options: BackupOptions, facts: ServerFacts): Promise<void> {
  const { server, storage } = options;
  const known = (await openServerIdentity(storage, server).read()) ?? (await identityOfStoredWal(storage, server));
  if (known === undefined || known.systemIdentifier === facts.systemIdentifier) return;
  throw backupErrors.otherCluster(
    `the server is cluster ${facts.systemIdentifier}, but the WAL stored for "${options.server}" belongs to ${known.systemIdentifier}`,
    { server: options.server, known: known.systemIdentifier, found: facts.systemIdentifier },
  );
}
