/** An address that leads to one server now and to another one later, as a virtual address does after a failover. */
import { renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../../support/postgres-cluster.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import type { Address } from "./receiving.ts";

export interface MovingAddress extends Address {
  leadTo(cluster: Cluster): void;
}

export function movingAddress(cluster: Cluster): MovingAddress {
  const directory = temporaryDirectory({ prefix: "mva" }).path;
  const link = join(directory, ".s.PGSQL.5432");
  const leadTo = ({ socketDir, port }: Cluster): void => {
    symlinkSync(`${socketDir}/.s.PGSQL.${port}`, `${link}.new`);
    renameSync(`${link}.new`, link);
  };
  leadTo(cluster);
  return { connectionOptions: { host: directory, port: 5432, user: "postgres" }, leadTo };
}
