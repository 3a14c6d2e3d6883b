/** Tablespaces that BASE_BACKUP leaves out without a word: no backup without them may count as one. */
import { mkdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { openHouse, type House } from "./house.ts";

let cluster: Cluster | undefined;
let house: House | undefined;

afterEach(async () => {
  await house?.close();
  await cluster?.destroy();
  cluster = house = undefined;
});

async function start(): Promise<{ cluster: Cluster; house: House; location: string; link: string }> {
  cluster = await createCluster();
  const location = join(cluster.root, "fast");
  await mkdir(location, { mode: 0o700 });
  await cluster.sql(`CREATE TABLESPACE fast LOCATION '${location}'`);
  await cluster.sql("CREATE TABLE away TABLESPACE fast AS SELECT g FROM generate_series(1, 1000) g; CHECKPOINT");
  const oid = await cluster.value("SELECT oid FROM pg_tablespace WHERE spcname = 'fast'");
  house = await openHouse(cluster);
  return { cluster, house, location, link: join(cluster.dataDir, "pg_tblspc", oid) };
}

describe("a backup is refused", () => {
  it("when the link of a tablespace is relative (M01)", async () => {
    const { cluster, house, link } = await start();
    await rm(link);
    await symlink("../../fast", link);
    expect(await cluster.value("SELECT count(*) FROM away")).toBe("1000");
    await expect(house.backup()).rejects.toMatchObject({ code: "BACKUP_PREREQUISITE_MISSING", message: expect.stringContaining('"../../fast"') as string });
    expect(await house.names()).toEqual([]);
  });

  it("when nothing came of a tablespace that the catalogue still has", async () => {
    const { house, location, link } = await start();
    await rename(location, `${location}.unmounted`);
    await mkdir(location);
    await expect(house.backup()).rejects.toMatchObject({ code: "BACKUP_MISMATCH", message: expect.stringContaining(location) as string });
    expect(await house.names()).toEqual([]);
    await rm(location, { recursive: true });
    await rename(`${location}.unmounted`, location);
    // Without its link the server does not even name it.
    await rename(link, `${location}.link`);
    await expect(house.backup()).rejects.toMatchObject({ code: "BACKUP_MISMATCH", message: expect.stringContaining('left out tablespace "fast"') as string });
    expect(await house.names()).toEqual([]);
    await rename(`${location}.link`, link);
    expect((await house.backup()).warnings).toEqual([]);
  });
});
