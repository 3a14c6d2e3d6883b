import { expect } from "vitest";
import { createCluster } from "../support/postgres-cluster.ts";
import { requires } from "../support/requires.ts";

requires("root").test("a test that runs as root starts its servers as another user", async () => {
  const cluster = await createCluster();
  expect(process.getuid?.()).toBe(0);
  expect(await cluster.value("SELECT (pg_stat_file('PG_VERSION')).size > 0")).toBe("t");
});
