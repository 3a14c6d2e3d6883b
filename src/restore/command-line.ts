/** The command line that a restored server calls for WAL, safe for the shell and for PostgreSQL's `%` escapes. */
import { endName, prefetchDirectory, spentDirectory } from "./own-names.ts";
import { recoveryPlanFile } from "./recovery-plan.ts";
import type { RestoreProgram } from "./restore-options.ts";
import { noteName } from "./segment-note.ts";
import { markerName } from "./unfinished-marker.ts";

/** Exit status of `wal-get` for a file that lies beyond the end of the archive; Node never ends with it by itself. */
export const absentStatus = 100;

/** A word as `sh` reads it back; `%` is doubled, because PostgreSQL replaces `%f`, `%p`, `%r` before the shell sees it. */
function word(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`.replaceAll("%", "%%");
}

/**
 * `restore_command`: PostgreSQL calls it in the data directory, where the plan of recovery lies. A segment that an
 * earlier call had ready is moved by the shell alone, which first says what there is to say about it. Node ends with status 1 when the script is gone, which PostgreSQL
 * would take for the end of the archive and promote with rows lost. So the script is looked for first, and the end of
 * the archive has a status that nothing else ends with: only that one becomes PostgreSQL's 1, every other failure
 * becomes fatal, and a signal stays one.
 */
export function restoreCommand({ node, script, arguments: more = [] }: RestoreProgram, server: string): string {
  const words = [node, script, ...more].map(word);
  const call = [...words, "wal-get", "--plan", recoveryPlanFile, "--", word(server), "%f", '"%p"'].join(" ");
  const ready = `${prefetchDirectory}/%f`;
  const note = `${prefetchDirectory}/${noteName("%f")}`;
  const told = `if test -f ${note}; then cat ${note} >&2; rm -f ${note}; fi`;
  const moved = `if test -f ${ready}; then ${told}; mv ${ready} "%p" && exit 0; fi`;
  const translated = `s=$?; test $s = 0 && exit 0; test $s = ${absentStatus} && exit 1; test $s -gt 126 && exit $s; exit 126`;
  return `test -r ${word(script)} || exit 126; ${moved}; ${call}; ${translated}`;
}

/**
 * `recovery_end_command`: what lay ready is not needed any more; nor is a marker that a restore was killed before removing.
 * The directory gets another name first, because the process that keeps segments ready may still be adding to it.
 */
export const recoveryEndCommand = `rm -rf ${spentDirectory}; mv ${prefetchDirectory} ${spentDirectory} 2>/dev/null; rm -rf ${spentDirectory} ${markerName}`;

/** `restore_command` of a server that has all its WAL in pg_wal: nothing is in any archive, which is status 1. */
export const emptyArchive = "exit 1";

/**
 * As `emptyArchive`, for a primary that shall open where its WAL ends and nowhere before: PostgreSQL asks for every
 * segment here first. `last` holds the end, `next` is the history that it looks for when it is about to open
 * (recovery-end.ts).
 */
export function emptyArchiveToTheEnd(last: string, next: string): string {
  const note = `${prefetchDirectory}/${endName}`;
  return `case "%f" in ${next}) test -f ${note} || exit 126;; ${last}) mkdir -p ${prefetchDirectory} && touch ${note} || exit 126;; esac; ${emptyArchive}`;
}
