import { execFileSync } from "node:child_process";

/**
 * Which fifth of what starts daemons and servers (test/system, test/integration) this run takes: "0" to "4" by the commit, so that one
 * commit always gets the same and all of them come round within a few; "all" when that was asked for. Everything together takes more than
 * half an hour on two cores, and a run of CI may take twenty minutes.
 */
export function turnOf(root, all) {
  if (all) return "all";
  try {
    const commit = execFileSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    return String(Number.parseInt(commit.slice(-4), 16) % 5);
  } catch {
    // A tree that nobody keeps in git.
    return "0";
  }
}
