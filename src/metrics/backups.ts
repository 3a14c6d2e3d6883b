/** Our families about the backups of a server: how old, how long, how large, and what is known to be good. */
import type { CatalogEntry, StageTimings } from "../repository/index.ts";
import type { ServerFacts } from "./facts.ts";
import { flag, perServer, perServerWith, seconds, type Family } from "./family.ts";

const states = ["valid", "invalid", "damaged"] as const satisfies readonly CatalogEntry["state"][];

/** Stages of a backup by our words; those of remote storage come with it. */
const stages: Readonly<Partial<Record<keyof StageTimings, string>>> = {
  baseBackup: "receive",
  hash: "digests",
  zstd: "zstd",
  gzip: "gzip",
  bzip2: "bzip2",
  lz4: "lz4",
  encryption: "encryption",
  linking: "linking",
  manifest: "manifest",
};

const verified = ["good", "remarks", "bad", "never"] as const;
const verificationOf = ({ verification }: CatalogEntry): (typeof verified)[number] => verification?.outcome ?? "never";
const lastVerification = ({ entries }: ServerFacts): number | undefined =>
  entries.reduce<number | undefined>((last, { verification }) => (verification === undefined ? last : Math.max(last ?? 0, verification.ended)), undefined);

export const backupFamilies: readonly Family[] = [
  perServerWith("moneta_backups", "gauge", "Number of backups by their state", ["state"], ({ entries }, add) => {
    for (const state of states) add(entries.filter((entry) => entry.state === state).length, state);
  }),
  perServer("moneta_backup_stored_bytes", "gauge", "Bytes of all backups of the server in the repository", ({ state }) => state.backupBytes),
  perServer("moneta_backup_last_success_time_seconds", "gauge", "When the newest valid backup was complete", ({ newest }) => (newest === undefined ? undefined : seconds(newest.ended))),
  perServer("moneta_backup_age_seconds", "gauge", "Seconds since then", ({ newest }, { now }) => (newest === undefined ? undefined : Math.max(0, seconds(now - newest.ended)))),
  perServer("moneta_backup_duration_seconds", "gauge", "How long the newest valid backup took", ({ newest }) => newest?.elapsed.total),
  perServerWith("moneta_backup_stage_duration_seconds", "gauge", "How long the stages of the newest valid backup took; they work side by side", ["stage"], ({ newest }, add) => {
    if (newest === undefined) return;
    for (const [stage, word] of Object.entries(stages)) add(newest.elapsed[stage as keyof StageTimings], word);
  }),
  perServer("moneta_backup_restored_bytes", "gauge", "Bytes that a restore of the newest valid backup has", ({ newest }) => newest?.restoredBytes),
  perServer("moneta_backup_last_stored_bytes", "gauge", "Bytes that the newest valid backup stored itself", ({ newest }) => newest?.storedBytes),
  perServerWith("moneta_backups_verified", "gauge", "Number of valid backups, and of those that were found bad, by the outcome of their last verification", ["outcome"], ({ entries }, add) => {
    const counted = entries.filter((entry) => entry.state === "valid" || entry.verification?.outcome === "bad");
    for (const outcome of verified) add(counted.filter((entry) => verificationOf(entry) === outcome).length, outcome);
  }),
  perServer("moneta_verification_last_time_seconds", "gauge", "When the last verification of one of these backups ended", (server) => {
    const last = lastVerification(server);
    return last === undefined ? undefined : seconds(last);
  }),
  perServer("moneta_recovery_window_start_time_seconds", "gauge", "The earliest moment to which the server can be restored with all WAL from there to the end", ({ window }) => (window.start === undefined ? undefined : seconds(window.start))),
  perServer("moneta_recovery_window_end_time_seconds", "gauge", "The latest one: everything that the server had flushed then is here", ({ window }) => (window.start === undefined || window.end === undefined ? undefined : seconds(window.end))),
  perServer("moneta_recovery_window_seconds", "gauge", "How long the time between them is; 0 when there is no such moment", ({ window: { start, end } }) => (start === undefined || end === undefined ? 0 : Math.max(0, seconds(end - start)))),
  perServer("moneta_proven_time_seconds", "gauge", "The newest moment that a drill proved: it was restored and a server ran with it", ({ provenMoment }) => (provenMoment === undefined ? undefined : seconds(provenMoment))),
  perServer("moneta_drill_last_time_seconds", "gauge", "When the last drill ended", ({ drill }) => (drill === undefined ? undefined : seconds(drill.ended))),
  perServer("moneta_drill_success", "gauge", "Whether the last drill proved its backup", ({ drill }) => (drill === undefined ? undefined : flag(drill.outcome === "proven"))),
  perServerWith("moneta_drill_duration_seconds", "gauge", "How long the restore and the replay of the last drill took: the time to recover", ["stage"], ({ drill }, add) => {
    if (drill?.restoreMs !== undefined && drill.restoreMs !== null) add(seconds(drill.restoreMs), "restore");
    if (drill?.replayMs !== undefined && drill.replayMs !== null) add(seconds(drill.replayMs), "replay");
  }),
];
