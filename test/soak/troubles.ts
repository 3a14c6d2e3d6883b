/** Everything that a soak does to the daemon, its children, its network and its primary, and how it is healed. */
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { createDaemon } from "../support/daemon.ts";
import { run, signalPid } from "../support/processes.ts";
import { compareWithServer } from "../support/repository-judge.ts";
import { needsForSmallFilesystem, onSmallFilesystem, seenBy } from "../support/small-filesystem.ts";
import { waitFor } from "../support/wait-for.ts";
import { ask, childrenTitled, serverStatus } from "../system/daemon-observation.ts";
import { revive, scenes, strike } from "./kill-scenes.ts";
import { count, storeOtherwise, type SoakWorld } from "./soak-world.ts";

const others = ["restart", "primary fast", "primary immediate", "network cut", "network silent", "network slow", "receiver stopped", "disk full"] as const;
export const troubles = [...scenes, ...others] as const;
export type Trouble = (typeof troubles)[number];

/** Does it and undoes it; the daemon runs at the end, but has not yet come to terms with what happened. */
export async function trouble(world: SoakWorld, kind: Trouble): Promise<void> {
  const { chance, cluster, daemon, proxy } = world;
  switch (kind) {
    case "restart":
      await daemon.stop();
      break;
    case "primary fast":
      await cluster.restart("fast");
      break;
    case "primary immediate":
      await cluster.restart("immediate");
      break;
    case "network cut":
      proxy.refuse(true);
      proxy.cut();
      await sleep(chance.below(5000));
      proxy.refuse(false);
      break;
    case "network silent":
      proxy.faults.silent = true;
      await sleep(chance.below(12_000));
      proxy.faults.silent = false;
      break;
    case "network slow":
      proxy.faults.delayMs = 50 + chance.below(250);
      await sleep(chance.below(10_000));
      proxy.faults.delayMs = 0;
      break;
    case "receiver stopped": {
      const pids = childrenTitled(daemon, "moneta: receiver");
      for (const pid of pids) signalPid(pid, "SIGSTOP");
      await sleep(chance.below(8000));
      for (const pid of pids) signalPid(pid, "SIGCONT");
      break;
    }
    case "disk full":
      await fillSmallDisk(world);
      break;
    default:
      await strike(kind, daemon, cluster, chance);
  }
  if (daemon.pid() === undefined) await storeOtherwise(world);
  await revive(daemon, cluster, chance);
}

/** A second daemon for the same primary, on a file system that is full for a while and then is not. */
async function fillSmallDisk(world: SoakWorld): Promise<void> {
  if (needsForSmallFilesystem().length > 0) {
    count(world, "disk full: not possible here");
    return;
  }
  const { cluster } = world;
  const small = await createDaemon({
    servers: [{ name: "small", cluster }],
    settings: { compression: "none" },
    launcher: ({ baseDir }) => onSmallFilesystem(baseDir, "40m"),
  });
  try {
    await small.waitUntilStreaming("small");
    const place = seenBy(small.pid() ?? 0, small.baseDir);
    const shell = (command: string) => run("sh", ["-c", command, "sh", place], { unprivileged: true });
    await shell('dd if=/dev/zero of="$1/filler" bs=64k');
    await waitFor("the full disk is complained of", async () => JSON.stringify((await serverStatus(small, "small"))["Problems"]).includes("DISK_FULL"));
    await sleep(world.chance.below(3000));
    await shell('rm "$1/filler"');
    const end = await cluster.value("SELECT pg_current_wal_flush_lsn()");
    await waitFor("the receiver goes on by itself", async () => (await cluster.value(`SELECT coalesce(max(flush_lsn) >= '${end}', false) FROM pg_stat_replication WHERE application_name = 'moneta_small'`)) === "t");
    const { differences } = await compareWithServer(join(place, "small", "wal"), join(cluster.dataDir, "pg_wal"));
    if (differences.length > 0) throw new Error(`after a full disk: ${differences.join(", ")}`);
  } finally {
    await small.destroy();
    await cluster.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'moneta_small' AND active");
    await waitFor("its slot is dropped", async () => (await cluster.sql("SELECT pg_drop_replication_slot('moneta_small')")).length > 0, { everyMs: 200 });
  }
}

/** What must be true some moments after everything was healed, without anybody's help. */
export async function checkHealed({ daemon }: SoakWorld): Promise<void> {
  await daemon.waitUntilStreaming("primary");
  let last: unknown;
  await waitFor(
    "nothing is complained of, and no gap is known",
    async () => {
      const { Gaps, Problems } = await serverStatus(daemon, "primary");
      last = { Gaps, Problems };
      return Gaps === 0 && /^(\{\}|\[\])$/.test(JSON.stringify(Problems));
    },
    { seen: () => [last, daemon.log().slice(-1500)], deadlineMs: 120_000 },
  );
  const listed = (await ask(daemon, "list-backup", "primary"))["Backups"] as readonly { Backup: string; Valid: number }[];
  const bad = listed.filter(({ Valid }) => Valid !== 1).map(({ Backup }) => Backup);
  if (bad.length > 0) throw new Error(`listed and not valid: ${bad.join(", ")}`);
}
