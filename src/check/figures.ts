/** What of a server is worth a curve: the figures beside the answers of the checks. */
import type { CheckInput } from "./check.ts";
import { timeToFull } from "./checks-wal.ts";
import type { Figure } from "./nagios.ts";

export function figuresOf(input: CheckInput): Figure[] {
  const { backups, disks, now, stream } = input;
  const segment = stream.segmentSize > 0 ? stream.segmentSize : 16 * 1024 * 1024;
  const full = timeToFull(input);
  const repository = disks.find(({ what }) => what === "base_dir");
  const lag = stream.serverEnd > stream.flushed ? Number(stream.serverEnd - stream.flushed) : 0;
  const found: (Figure | undefined)[] = [
    stream.known ? { label: "wal_lag", value: lag, unit: "B", warning: 16 * segment, critical: 64 * segment } : undefined,
    stream.lastHeard === 0 ? undefined : { label: "wal_age", value: Math.max(0, now - stream.lastHeard) / 1000, unit: "s", warning: 60, critical: 300 },
    backups.newest === undefined
      ? undefined
      : { label: "backup_age", value: Math.max(0, now - backups.newest) / 1000, unit: "s", critical: backups.oldestAllowed === undefined ? undefined : backups.oldestAllowed / 1000 },
    { label: "backups", value: backups.valid, unit: "" },
    backups.windowFrom === undefined ? undefined : { label: "window", value: (now - backups.windowFrom) / 1000, unit: "s" },
    { label: "gaps", value: stream.gaps, unit: "", critical: 0 },
    repository === undefined ? undefined : { label: "free", value: repository.free, unit: "B" },
    full === undefined ? undefined : { label: "primary_wal_full_in", value: full.ms / 1000, unit: "s" },
  ];
  return found.flatMap((figure) => figure ?? []);
}
