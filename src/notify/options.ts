/** What notifications can be about, for the configuration (`notify_on`). */
export const notifyCategories = ["failed", "too_old", "gap", "unverified", "time_to_full", "stream", "other", "recovered"] as const;

export type NotifyCategory = (typeof notifyCategories)[number];

/** What each is, for the manual. */
export const categoryMeanings: Readonly<Record<NotifyCategory, string>> = {
  failed: "a backup, a restore or another job failed, or finished WAL is not archived, not shipped, not removed",
  too_old: "the newest valid backup is too old, or there is none of the present cluster",
  gap: "a range of WAL is missing",
  unverified: "a backup is damaged, was not read back in time, or a drill failed",
  time_to_full: "a file system here, or the pg_wal of the server, will be full",
  stream: "no WAL is received",
  other: "everything else that status shows: offline, a certificate that expires, a key that does not open, clocks that are apart",
  recovered: "what was told of is over",
};
