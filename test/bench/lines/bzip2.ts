/** Line 6: bzip2, which is slow everywhere, on a tenth of the data. What counts is the processor time: who has more cores is sooner done. */
import { monetaBackup, toolOnTar, withReleases } from "./contenders.ts";
import { cpu, ratioGoal, stored } from "./goal.ts";
import type { Line } from "./line.ts";

export const bzip2Line: Line = {
  number: 6,
  title: "full backup, bzip2 9, per core",
  run: (context) =>
    withReleases(async (atEnd) => {
      const cluster = await context.small();
      const contests = await context.compare([
        toolOnTar(context, "bzip2", "bzip2 -9 of a tar", await context.tar(cluster), "-9", "-k"),
        await monetaBackup(context, cluster, atEnd, "Moneta", { compression: "bzip2", compression_level: 9 }),
      ]);
      return {
        rounds: [{ title: "Full backup, bzip2 9 (processor seconds)", metric: "cpu", contests }],
        verdicts: [
          ratioGoal("≥ 0.75 × the speed of native bzip2 on a core", contests, "bzip2 -9 of a tar", "Moneta", cpu, { atLeast: 0.75 }),
          ratioGoal("stored: ≤ 1.01 × bzip2 of one tar", contests, "Moneta", "bzip2 -9 of a tar", stored, { atMost: 1.01 }),
        ],
      };
    }),
};
