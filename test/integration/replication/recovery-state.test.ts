import { afterEach, expect } from "vitest";
import { connect, isInRecovery } from "../../../src/replication/index.ts";
import { createCluster, type Cluster } from "../../support/postgres-cluster.ts";
import { testOnMajors } from "../../support/requires.ts";
import { waitFor } from "../../support/wait-for.ts";
import { connectOptions } from "./real.ts";

const clusters: Cluster[] = [];

afterEach(async () => {
  for (const cluster of clusters.splice(0).reverse()) await cluster.destroy();
});

async function answerOf(cluster: Cluster): Promise<boolean | undefined> {
  const connection = await connect({ ...connectOptions(cluster), replication: true });
  const answer = await isInRecovery(connection);
  await connection.terminate();
  return answer;
}

testOnMajors([13, 14, 18], "a walsender of %s says whether its server is in recovery, also where transactions are read-only by default", async (major) => {
  const primary = await createCluster({ major });
  clusters.push(primary);
  expect(await answerOf(primary)).toBe(false);
  const standby = await primary.createStandby();
  clusters.push(standby);
  expect(await answerOf(standby)).toBe(true);
  for (const cluster of [primary, standby]) {
    await cluster.configure({ default_transaction_read_only: "on" });
    await cluster.reload();
    await waitFor("the setting is there", async () => (await cluster.value("SHOW default_transaction_read_only")) === "on");
  }
  // 13 has nothing that tells the two apart then: a standby is never taken for a primary.
  expect([await answerOf(primary), await answerOf(standby)]).toEqual(major === 13 ? [undefined, undefined] : [false, true]);
});
