import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/**
 * Where and as whom to run what must not be root (PostgreSQL refuses it, and so does Moneta).
 *
 * @typedef {object} OrdinaryRun
 * @property {string} root       the tree to run in: the given one, or a copy that the user can read
 * @property {string} scratch    a directory that the user may write to; removed by `remove`
 * @property {string} node       the Node program to run
 * @property {{ uid?: number, gid?: number }} identity  for child_process.spawn
 * @property {Record<string, string>} env  HOME, TMPDIR and PATH that fit
 * @property {string | undefined} user     the name of the user if it is another one than ours
 * @property {() => void} remove
 */

/**
 * @param {string} root
 * @param {{ name: string, entries?: string[] }} options  `entries`: what a copy of the tree needs, if not everything
 * @returns {OrdinaryRun}
 */
export function prepareOrdinaryRun(root, { name, entries = everythingIn(root) }) {
  // A TMPDIR of root's may be closed to others, and a long one leaves no room for the paths of sockets.
  const place = process.getuid?.() === 0 || tmpdir().length > 30 ? "/tmp" : tmpdir();
  const scratch = mkdtempSync(join(place, `${name}-`));
  const remove = () => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  const run = { root, scratch, node: process.execPath, identity: {}, env: environment(scratch), user: undefined, remove };
  mkdirSync(join(scratch, "t"));
  if (process.getuid?.() !== 0) return run;
  try {
    return asNobody(run, entries);
  } catch (error) {
    remove();
    throw error;
  }
}

function asNobody(run, entries) {
  const uid = Number(execFileSync("id", ["-u", "nobody"], { encoding: "utf8" }));
  const gid = Number(execFileSync("id", ["-g", "nobody"], { encoding: "utf8" }));
  const identity = { uid, gid };
  for (const path of [run.scratch, join(run.scratch, "t")]) chownSync(path, uid, gid);
  const result = { ...run, identity, user: "nobody" };
  if (!canExecute(run.node, identity)) {
    // A Node in root's home directory (nvm, for instance) is out of reach: take it along.
    mkdirSync(join(run.scratch, "bin"), { mode: 0o755 });
    result.node = join(run.scratch, "bin", "node");
    copyFileSync(process.execPath, result.node);
    chmodSync(result.node, 0o755);
    result.env = { ...run.env, PATH: `${join(run.scratch, "bin")}${delimiter}${run.env.PATH}` };
  }
  if (!canRead(run.root, identity)) {
    result.root = join(run.scratch, "tree");
    console.log(`The user nobody cannot read ${run.root}: working on a copy in ${result.root}.`);
    copyTree(run.root, result.root, entries);
  }
  return result;
}

/** TMPDIR stays short, because sockets live below it and their paths have a limit of 107 bytes. */
function environment(scratch) {
  return { ...process.env, HOME: scratch, TMPDIR: join(scratch, "t"), PATH: process.env.PATH ?? "/usr/bin:/bin" };
}

function canExecute(program, identity) {
  return spawnSync(program, ["-e", "0"], { ...identity, cwd: "/", stdio: "ignore" }).status === 0;
}

/** Asks as that user: every directory can be entered and every file read. */
function canRead(root, identity) {
  const args = [root, "-path", join(root, ".git"), "-prune", "-o", "!", "-readable", "-print", "-quit"];
  const found = spawnSync("find", args, { ...identity, cwd: "/", encoding: "utf8" });
  return found.status === 0 && found.stdout === "";
}

/** All but the history. */
function everythingIn(root) {
  return readdirSync(root).filter((entry) => entry !== ".git");
}

/** Readable by anybody, whatever the umask of the original was. */
function copyTree(from, to, entries) {
  mkdirSync(to, { mode: 0o755 });
  const there = entries.filter((entry) => existsSync(join(from, entry)));
  execFileSync("cp", ["-a", "--reflink=auto", "--parents", ...there, to], { cwd: from });
  execFileSync("chmod", ["-R", "a+rX", to]);
}
