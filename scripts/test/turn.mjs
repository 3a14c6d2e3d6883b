import { execFileSync } from "node:child_process";

/**
 * Which quarter of what starts daemons and servers (test/system, test/integration) this run takes: "0" to "3" by the commit, so that one commit always gets the same
 * and all of them come round within a few; "all" when that was asked for. Everything together takes more than half an hour on two
 * cores, and a run of CI may take twenty minutes.
 */
export function turnOf(root, all) {
  if (all) return "all";
  try {
    const commit = execFileSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    return String(Number.parseInt(commit.slice(-1), 16) % 4);
  } catch {
    // A tree that nobody keeps in git.
    return "0";
  }
}
