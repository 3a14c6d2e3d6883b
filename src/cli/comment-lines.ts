/** What people wrote to a backup. */

/** The comments of a backup, one a line: pgmoneta joins them by commas. */
export function commentLines(comments: string | undefined): string[] {
  return (comments ?? "")
    .split(",")
    .filter((pair) => pair !== "")
    .map((pair) => pair.replace("|", ": "));
}
