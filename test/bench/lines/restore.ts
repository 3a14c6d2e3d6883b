/** Line 7: a restore of the standard cluster from zstd, every byte checked, synced at the end. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Contender } from "../measure/index.ts";
import { copyAndSync, monetaRestore, newMoneta, newPgBackRest, withReleases } from "./contenders.ts";
import { ratioGoal, wall } from "./goal.ts";
import type { BenchContext, Line } from "./line.ts";

export const restoreLine: Line = {
  number: 7,
  title: "restore, zstd, checked and synced",
  run: (context) =>
    withReleases(async (atEnd) => {
      const cluster = await context.standard();
      const moneta = await newMoneta(context, cluster, atEnd, { compression: "zstd", compression_level: 3 });
      await moneta.start();
      await moneta.backup();
      await moneta.stop();
      const target = join(context.scratch, "restore");
      const contests = await context.compare([
        await pgBackRest(context, atEnd, target),
        monetaRestore(context, moneta, target),
        copyAndSync(context, await context.plain(cluster)),
      ]);
      return {
        rounds: [{ title: "Restore, zstd, checked and synced", metric: "wall", contests }],
        verdicts: [ratioGoal("≤ 1.0 × pgBackRest with 2 processes", contests, "Moneta", "pgBackRest, 2 processes", wall, { atMost: 1 })],
      };
    }),
};

async function pgBackRest(context: BenchContext, atEnd: Parameters<typeof newPgBackRest>[2], target: string): Promise<Contender> {
  const name = "pgBackRest, 2 processes";
  const { missing } = context.programs.missing("pgbackrest");
  if (missing !== undefined) return { name, role: "peer", missing, run: () => Promise.resolve() };
  const repository = await newPgBackRest(context, await context.standard(), atEnd, { "compress-type": "zst", "compress-level": "3" });
  await repository.activate();
  await repository.backup();
  await repository.deactivate();
  return {
    name,
    role: "peer",
    prepare: async () => void (await mkdir(target, { mode: 0o700 })),
    run: () => repository.restore(target),
    after: () => context.bury(target),
  };
}
