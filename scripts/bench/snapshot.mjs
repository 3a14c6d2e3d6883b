import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/** What somebody may edit or compile anew during the hour that the benchmarks take. */
const COPIED = ["bin", "dist", "src", "test/bench", "test/support", "package.json", "tsconfig.json"];
const LINKED = ["node_modules", "test/postgres"];

/** A copy of the program as it is now, so that all runs measure the same one. Returns its path. */
export function takeSnapshot(root, target) {
  mkdirSync(join(target, "test"), { recursive: true, mode: 0o755 });
  execFileSync("cp", ["-a", "--reflink=auto", "--parents", ...COPIED, target], { cwd: root });
  execFileSync("chmod", ["-R", "a+rX", target]);
  for (const name of LINKED) if (existsSync(join(root, name))) symlinkSync(join(root, name), join(target, name));
  return target;
}
