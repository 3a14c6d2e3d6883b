/** PostgreSQL 15 on a restored directory, once it has been promoted. */
import type { Cluster } from "../../support/postgres-cluster.ts";
import { promoted, startOn } from "./rig.ts";

export async function createRestoredRun(dataDir: string): Promise<Cluster> {
  const cluster = await startOn(dataDir);
  await promoted(cluster);
  return cluster;
}
