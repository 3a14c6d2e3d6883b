/** Who is killed, and when: kill -9 of one process, of several, of the primary, during a start or a shutdown. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Daemon } from "../support/daemon.ts";
import type { Cluster } from "../support/postgres-cluster.ts";
import { signalPid } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";
import { childrenTitled } from "../system/daemon-observation.ts";
import type { Chance } from "./chance.ts";

/** `readers` are an archive and a verification. `power` takes the primary and the daemon at once; `start` and `shutdown` kill the daemon in the middle of these. */
export const scenes = [
  "everything",
  "supervisor",
  "receiver",
  "archiver",
  "backup",
  "delete",
  "restore",
  "readers",
  "primary",
  "power",
  "start",
  "shutdown",
] as const;
export type Scene = (typeof scenes)[number];

/** Scenes after which no process of the daemon is left that could clean up after itself. */
export const leavesNobody: readonly Scene[] = ["everything", "power", "start", "shutdown"];

const titles = {
  receiver: "moneta: receiver primary",
  archiver: "archive-wal primary",
  backup: "backup primary",
  delete: "delete primary",
  restore: "restore primary",
  archive: "archive primary",
  verify: "verify primary",
} as const;

/** The longest that is waited before the blow, milliseconds, from the moment on that there is something to strike. */
const spans: Readonly<Record<Scene, number>> = {
  everything: 1800,
  supervisor: 1800,
  receiver: 1800,
  archiver: 1500,
  backup: 1200,
  delete: 60,
  restore: 900,
  readers: 120,
  primary: 1800,
  power: 1800,
  start: 900,
  shutdown: 600,
};

export interface Struck {
  /** Processes of the daemon, or servers, that were alive until the blow. */
  readonly processes: number;
}

/** Waits for its instant and strikes. Nothing is concluded from the length of the wait. */
export async function strike(scene: Scene, daemon: Daemon, cluster: Cluster, chance: Chance): Promise<Struck> {
  const instant = (): Promise<void> => sleep(chance.below(spans[scene]));
  switch (scene) {
    case "backup":
    case "delete":
    case "restore": {
      // The job may have come to its end before it is seen: then nobody is struck.
      const seen = waitFor(`the ${scene} runs`, () => childrenTitled(daemon, titles[scene]).length > 0, {
        deadlineMs: 3000,
        everyMs: 5,
      });
      await seen.catch(() => undefined);
      await instant();
      return { processes: killChildren(daemon, titles[scene]) };
    }
    case "readers": {
      const seen = waitFor("one of them runs", () => childrenTitled(daemon, titles.archive).length + childrenTitled(daemon, titles.verify).length > 0, {
        deadlineMs: 3000,
        everyMs: 5,
      });
      await seen.catch(() => undefined);
      await instant();
      return { processes: killChildren(daemon, titles.archive) + killChildren(daemon, titles.verify) };
    }
    case "archiver":
      await instant();
      // Something to do for it just before it dies.
      await Promise.race([cluster.sql("SELECT pg_switch_wal()"), sleep(100)]);
      await sleep(chance.below(60));
      return { processes: killChildren(daemon, titles.archiver) };
    case "receiver":
      await instant();
      return { processes: killChildren(daemon, titles.receiver) };
    case "primary":
      await instant();
      await cluster.kill9();
      return { processes: 1 };
    case "supervisor": {
      await instant();
      const before = daemon.children().length;
      await daemon.killSupervisor();
      return { processes: before + 1 };
    }
    case "everything":
    case "power": {
      await instant();
      const before = daemon.children().length;
      await Promise.all([daemon.kill9(), ...(scene === "power" ? [cluster.kill9()] : [])]);
      return { processes: before + 1 };
    }
    case "start": {
      await daemon.kill9();
      const starting = daemon.start().catch(() => undefined);
      await instant();
      await daemon.kill9();
      await starting;
      return { processes: 1 };
    }
    case "shutdown":
      await instant();
      daemon.signal("SIGTERM");
      await instant();
      await daemon.kill9();
      return { processes: 1 };
  }
}

function killChildren(daemon: Daemon, title: string): number {
  const pids = childrenTitled(daemon, title);
  return pids.filter((pid) => signalPid(pid, "SIGKILL")).length;
}

/** Starts again what does not run, in an order of chance. */
export async function revive(daemon: Daemon, cluster: Cluster, chance: Chance): Promise<void> {
  const steps = [() => cluster.start(), async () => (daemon.pid() === undefined ? daemon.start() : undefined)];
  for (const step of chance.shuffled(steps)) await step();
}
