import { expect, it } from "vitest";
import { createCluster, runOnDirectory } from "../../support/postgres-cluster.ts";
import { waitFor } from "../../support/wait-for.ts";
import { createRig } from "./rig.ts";

it("does not replay what the source wrote after the moment that was asked for", async () => {
  const source = await createCluster();
  const rig = await createRig(source);
  await source.sql("CREATE TABLE kept(i int)");
  await source.sql("INSERT INTO kept VALUES (1)");
  await rig.backup();
  await source.sql("INSERT INTO kept VALUES (2)");
  await rig.caughtUp();
  const moment = await source.value("SELECT clock_timestamp()::text");
  await rig.covered();
  const { plan } = await rig.restore({ position: `time=${moment}` });
  // The source lives on while the restore is carried out.
  await source.sql("DROP TABLE kept");
  await rig.caughtUp();
  const restored = await runOnDirectory({ major: 15, dataDir: plan.directory });
  await waitFor("recovery has ended", async () => (await restored.value("SELECT pg_is_in_recovery()")) === "f", { seen: () => restored.log() });
  expect(await restored.value("SELECT count(*) FROM pg_class WHERE relname = 'kept'")).toBe("1");
  await restored.destroy();
  await source.destroy();
}, 120000);
