/** `lineage`: the cluster that took the place of the one before is accepted; the queue sees to it that nothing else runs. */
import { acceptLineage } from "../wal/index.ts";
import { connectOptions } from "./connect-options.ts";
import type { JobHandler } from "./job.ts";

export const changeLineage: JobHandler<"lineage"> = async ({ expected }, environment) => {
  const { logger, server, signal, storage } = environment;
  const { from, to, returned } = await acceptLineage(
    { server: server.name, storage, connect: connectOptions(environment), expected },
    { logger, signal },
  );
  return { label: null, notes: [], facts: { from, to, returned } };
};
