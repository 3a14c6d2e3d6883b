/** What is stored of a server, looked at before anything of it runs. */
import { messageOf, toMonetaError } from "../common/index.ts";
import { hasScratch } from "../drill/index.ts";
import type { Logger } from "../log/index.ts";
import { openServerIdentity, openWalCoverage, openWalInventory } from "../repository/index.ts";
import type { LocalStorage } from "../storage/index.ts";
import type { Core } from "./core.ts";
import { formerBytes, readLineages, rememberLineages } from "./lineages.ts";
import type { SupervisedServer } from "./server.ts";
import { tidyServer } from "./tidy.ts";
import { rememberTimelines } from "./timelines.ts";

/** Of a server that was never reached: its WAL directory is empty. */
const DEFAULT_SEGMENT_SIZE = 16 * 1024 * 1024;

/**
 * What crashes left goes before anything new is written; what is there is read once. Returns whether more cleaning is needed.
 * To be called while nothing of the server runs.
 */
export async function firstLook(server: SupervisedServer, core: Core, storage: LocalStorage, logger: Logger): Promise<boolean> {
  await core.rememberDrills(server);
  let remains = await hasScratch(server.options.workspace);
  try {
    const { backupsLeft } = await tidyServer(storage, server.name, logger);
    remains ||= backupsLeft;
    await readFacts(server, core, storage, logger);
  } catch (error) {
    // One damaged file must not keep the WAL of any server from being received: it is reported, and status shows it.
    const problem = toMonetaError(error);
    server.problem = problem;
    logger.error(`what is stored of ${server.name} cannot be read: ${problem.message}`, { code: problem.code });
  }
  await core.reportCutOff(server);
  return remains;
}

async function readFacts(server: SupervisedServer, { catalog }: Core, storage: LocalStorage, logger: Logger): Promise<void> {
  const { name, record, wal } = server;
  const newest = (await catalog.refresh(name)).flatMap(({ info }) => info?.own ?? []).at(-1);
  const known = await openServerIdentity(storage, name).read();
  const inventory = openWalInventory(storage, name, known?.segmentSize ?? DEFAULT_SEGMENT_SIZE);
  wal.load(await inventory.stretches());
  server.lineages = await readLineages(storage, name, false);
  await rememberTimelines(server, storage, logger);
  server.unarchived = (await inventory.unarchived()).length;
  // Every file is looked at, which takes its time where there are many; nobody waits for it.
  inventory.usage().then(
    ({ bytes }) => record.add("walBytes", bytes),
    (error: unknown) => logger.warn(`the size of the WAL of ${name} is not known: ${messageOf(error)}`),
  );
  if (server.lineages.former.size > 0) {
    void rememberLineages(server, storage, logger).then(() => record.add("walBytes", formerBytes(server)));
  }
  const proven = await openWalCoverage(storage, name).read();
  server.provenTimeline = proven?.timeline;
  record.set({
    gaps: (await inventory.openGaps()).length,
    walSegmentSize: known?.segmentSize ?? 0,
    coveredTime: proven?.serverTime ?? 0,
    // Until the server itself can be asked.
    serverVersion: newest?.serverVersion ?? 0,
    checksums: newest !== undefined && newest.pageChecksums !== "off",
  });
}

