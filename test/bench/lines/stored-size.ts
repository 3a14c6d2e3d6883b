/** Line 14: what a backup takes on the disk, everything counted, against one tar file through the tool. */
import { monetaBackup, toolOnTar, withReleases } from "./contenders.ts";
import { ratioGoal, stored } from "./goal.ts";
import type { Line, Verdict } from "./line.ts";

const METHODS = [
  { compression: "zstd", settings: { compression: "zstd", compression_level: 3 }, tool: "zstd", options: ["-q", "-3"] },
  { compression: "lz4", settings: { compression: "lz4" }, tool: "lz4", options: ["-q", "-1"] },
  { compression: "gzip", settings: { compression: "gzip", compression_level: 6 }, tool: "gzip", options: ["-6"] },
] as const;

export const storedSizeLine: Line = {
  number: 14,
  title: "stored size",
  run: async (context) => {
    const cluster = await context.standard();
    const verdicts: Verdict[] = [];
    for (const { compression, settings, tool, options } of METHODS) {
      await withReleases(async (atEnd) => {
        const contests = await context.compare(
          [
            toolOnTar(context, tool, tool, await context.tar(cluster), ...options),
            await monetaBackup(context, cluster, atEnd, "Moneta", settings),
          ],
          { runs: 1, warmUp: false },
        );
        verdicts.push(ratioGoal(`${compression}: ≤ 1.01 × one stream`, contests, "Moneta", tool, stored, { atMost: 1.01 }));
      });
    }
    return { rounds: [], verdicts, notes: ["bzip2: see line 6"] };
  },
};
