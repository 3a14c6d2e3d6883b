import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mustRun, npmCommand } from "./run-command.mjs";

/** Installs what package-lock.json names unless exactly that is installed; says so when it takes time. */
export async function ensureDependencies(root) {
  if (dependenciesAreCurrent(root)) return;
  console.log("Installing the packages that package-lock.json names …");
  const [command, args] = npmCommand();
  await mustRun(command, [...args, "ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund"], { cwd: root });
}

/** npm writes what it installed to node_modules/.package-lock.json: every package of our lock must be there in its version. */
function dependenciesAreCurrent(root) {
  const installedFile = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedFile, "utf8")).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    const there = installed[path];
    // Optional packages may belong to another platform, and then are not installed at all.
    if (there === undefined) return entry.optional === true || entry.devOptional === true;
    return there.version === entry.version;
  });
}
