import { expect, test } from "vitest";
import { createDaemon } from "../support/daemon.ts";
import { createCluster } from "../support/postgres-cluster.ts";
import { isAlive } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";

test("the daemon starts, streams, is killed with all its children, starts again, and stops in order", async () => {
  const cluster = await createCluster();
  const daemon = await createDaemon({ servers: [{ name: "primary", cluster }] });
  expect((await daemon.cli(["ping"])).status).toBe(0);
  await daemon.waitUntilStreaming("primary");
  const pids = [daemon.pid() ?? 0, ...daemon.children()];
  expect(pids.length).toBeGreaterThan(1);
  await daemon.kill9();
  expect(pids.filter(isAlive)).toEqual([]);
  await daemon.start();
  await daemon.waitUntilStreaming("primary");
  const children = daemon.children();
  expect(await daemon.stop()).toBe(0);
  expect(children.filter(isAlive)).toEqual([]);
});

test("when only the supervisor is killed its children end by themselves", async () => {
  const cluster = await createCluster();
  const daemon = await createDaemon({ servers: [{ name: "primary", cluster }] });
  await daemon.waitUntilStreaming("primary");
  const left = await daemon.killSupervisor();
  expect(left.length).toBeGreaterThan(0);
  await waitFor("the children have ended", () => !left.some(isAlive));
});

test("a configuration with an unknown key is refused by line", async () => {
  const cluster = await createCluster();
  const daemon = await createDaemon({
    servers: [{ name: "primary", cluster }],
    settings: { not_a_key: "1" },
    start: false,
  });
  const done = await daemon.startExpectingFailure();
  expect(done.status).toBeGreaterThan(0);
  expect(done.stderr).toMatch(/pgmoneta\.conf:\d+.*not_a_key/);
});
