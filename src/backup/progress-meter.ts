/** How far the stream is, told often enough for people and rarely enough for the loop that counts every piece. */
import type { Clock } from "../common/index.ts";
import type { BackupProgress } from "./backup-options.ts";

export interface ProgressMeter {
  /** The server's estimate, bytes. */
  expect(bytes: number): void;
  /** So many more bytes of the archives have come. */
  add(bytes: number): void;
}

const reportEveryMs = 100;

export function createProgressMeter(clock: Clock, progress: (progress: BackupProgress) => void): ProgressMeter {
  let bytesDone = 0;
  let expected = 0;
  let reportedAt = Number.NEGATIVE_INFINITY;

  const report = (): void => {
    reportedAt = clock.monotonic();
    progress({ phase: "receive", bytesDone, bytesTotal: Math.max(expected, bytesDone) });
  };

  return {
    expect(bytes) {
      expected = bytes;
      report();
    },
    add(bytes) {
      bytesDone += bytes;
      if (clock.monotonic() - reportedAt >= reportEveryMs) report();
    },
  };
}
