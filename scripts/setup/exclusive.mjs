import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";

/**
 * Runs `work` while no other set-up of this tree does: two at once would remove each other's node_modules.
 * The lock is a file with a pid; one whose process is gone is broken.
 */
export async function exclusively(lockFile, work) {
  let said = false;
  for (;;) {
    try {
      const file = openSync(lockFile, "wx");
      writeSync(file, String(process.pid));
      closeSync(file);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const owner = ownerOf(lockFile);
    if (owner !== undefined && !isAlive(owner)) {
      rmSync(lockFile, { force: true });
      continue;
    }
    if (!said) console.log(`Waiting for another set-up of this tree (pid ${owner ?? "unknown"}) …`);
    said = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const release = () => rmSync(lockFile, { force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.off("exit", release);
    release();
  }
}

function ownerOf(lockFile) {
  try {
    const pid = Number(readFileSync(lockFile, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    // Released between our two looks.
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
