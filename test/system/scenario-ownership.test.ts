/**
 * One daemon owns a repository, by whatever path and configuration it is reached, and one daemon a management socket;
 * what a dead daemon left behind, however it looks, never stops a start, and never hits a stranger.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDaemon, type Daemon } from "../support/daemon.ts";
import { createCluster, type Cluster } from "../support/postgres-cluster.ts";
import { isAlive, run, startProcess, type Finished } from "../support/processes.ts";
import { giveToUnprivileged } from "../support/unprivileged-user.ts";
import { waitFor } from "../support/wait-for.ts";

const program = join(import.meta.dirname, "../../bin/moneta");

let cluster: Cluster;
let daemon: Daemon;
beforeAll(async () => {
  // Nobody needs a server here: one that does not run is enough.
  cluster = await createCluster({ start: false });
  daemon = await createDaemon({ servers: [{ name: "primary", cluster }] });
});
afterAll(async () => {
  await daemon.destroy();
  await cluster.destroy();
});

const pidFile = (): string => join(daemon.socketDir, "pgmoneta.localhost.pid");
const lockFile = (): string => join(daemon.baseDir, ".moneta.lock");

/** Runs a second daemon with the configuration of the first, some of its lines replaced. */
async function second(replace: Readonly<Record<string, string>>): Promise<Finished> {
  const directory = join(daemon.root, "second");
  mkdirSync(directory, { recursive: true });
  let text = readFileSync(daemon.configFile, "utf8");
  for (const [key, value] of Object.entries(replace)) {
    text = text.replace(new RegExp(`^${key} = .*$`, "m"), `${key} = ${value}`);
  }
  writeFileSync(join(directory, "pgmoneta.conf"), text);
  for (const name of ["sockets", "repository"]) mkdirSync(join(directory, name), { recursive: true });
  giveToUnprivileged(directory);
  return run(program, ["-D", directory, "-u", join(daemon.configDir, "pgmoneta_users.conf")], {
    env: { PATH: process.env["PATH"], HOME: daemon.home },
    unprivileged: true,
  });
}

describe("a second daemon is refused, and the first goes on, when it is to work", () => {
  const owned = /belongs to the daemon with pid \d+/;
  it.each<[string, RegExp, () => Readonly<Record<string, string>>]>([
    [
      "on the same repository with a socket of its own",
      owned,
      () => ({ unix_socket_dir: join(daemon.root, "second/sockets") }),
    ],
    [
      "on the same repository by another path",
      owned,
      () => {
        symlinkSync(daemon.baseDir, join(daemon.root, "link"));
        return { unix_socket_dir: join(daemon.root, "second/sockets"), base_dir: join(daemon.root, "link") };
      },
    ],
    [
      "on another repository with the same socket",
      /another daemon answers/,
      () => ({ base_dir: join(daemon.root, "second/repository") }),
    ],
  ])("%s", async (_what, reason, replace) => {
    const before = daemon.pid();
    const { status, stderr } = await second(replace());
    expect([status, stderr]).toEqual([12, expect.stringMatching(reason)]);
    expect(daemon.pid()).toBe(before);
    expect(readFileSync(pidFile(), "utf8")).toBe(`${before ?? "?"}\n`);
    expect((await daemon.cli(["ping"])).status).toBe(0);
  });
});

describe("what a daemon that is gone left behind does not stop the next one:", () => {
  it.each<[string, (stranger: number) => void]>([
    ["a PID file with the pid of a stranger", (stranger) => writeFileSync(pidFile(), `${stranger}\n`)],
    ["a PID file that is empty", () => writeFileSync(pidFile(), "")],
    ["a PID file that is none", () => writeFileSync(pidFile(), Buffer.from([0, 255, 10, 254]))],
    [
      "a lock file that names a stranger",
      (stranger) => writeFileSync(lockFile(), `{"pid":${stranger},"started":"1"}\n`),
    ],
    ["a lock file that is damaged", () => writeFileSync(lockFile(), Buffer.alloc(5000, "{"))],
  ])("%s", async (_what, leave) => {
    // The first time it is killed; later it has stopped, which leaves even less.
    await daemon.kill9();
    const stranger = await startProcess("sleep", ["600"], { unprivileged: true });
    leave(stranger.pid);
    for (const path of [pidFile(), lockFile()]) giveToUnprivileged(path);
    await daemon.start();
    await waitFor("the PID file is its own", () => readFileSync(pidFile(), "utf8") === `${daemon.pid() ?? "?"}\n`);
    expect(await daemon.stop()).toBe(0);
    expect(isAlive(stranger.pid)).toBe(true);
    stranger.kill("SIGKILL");
    await stranger.finished;
  });
});

it("is stopped in order by a signal that comes while it starts", async () => {
  await daemon.stop();
  writeFileSync(lockFile(), "");
  giveToUnprivileged(lockFile());
  await daemon.launch();
  await waitFor("it owns the repository", () => readFileSync(lockFile(), "utf8").includes(`${daemon.pid() ?? "?"}`), { everyMs: 1 });
  expect(await daemon.stop()).toBe(0);
});
