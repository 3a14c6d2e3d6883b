/** The packages that an installation needs beside the built programs, and those whose work is in it. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { packagesBeside } from "../setup/build.mjs";

/**
 * compressjs is what bzip2 falls back on where WebAssembly does not work, at a thirtieth of the speed and under the GPL: a package that
 * has bzip2-wasm never loads it.
 */
const leftOut = new Set(["compressjs"]);

const read = (root, path) => JSON.parse(readFileSync(join(root, path, "package.json"), "utf8"));

const isBeside = (name) => packagesBeside.some((pattern) => (pattern.endsWith("/*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern));

/** Where Node finds `name` from the package in `from`: `node_modules/a/node_modules/name`, then further up. */
function locate(root, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    const path = at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (existsSync(join(root, path, "package.json"))) return path;
    if (at === "") return undefined;
  }
}

/**
 * Everything that `names` lead to, by path from `root`. What is optional may be missing: native code of other machines.
 * @returns {string[]}
 */
function closure(root, names) {
  const found = new Set();
  const follow = (from, name, optional) => {
    if (leftOut.has(name)) return;
    const path = locate(root, from, name);
    if (path === undefined) {
      if (optional) return;
      throw new Error(`${name}, which ${from || "the project"} needs, is not installed: npm ci`);
    }
    if (found.has(path)) return;
    found.add(path);
    const { dependencies = {}, optionalDependencies = {} } = read(root, path);
    for (const each of Object.keys(optionalDependencies)) follow(path, each, true);
    for (const each of Object.keys(dependencies)) follow(path, each, each in optionalDependencies);
  };
  for (const [name, optional] of names) follow("", name, optional);
  return [...found].sort();
}

function productionPackages(root) {
  const { dependencies = {}, optionalDependencies = {} } = read(root, "");
  return [...Object.keys(dependencies).map((name) => [name, false]), ...Object.keys(optionalDependencies).map((name) => [name, true])];
}

/** Paths of the packages that must lie in `node_modules` of an installation. */
export const packagesToInstall = (root) => closure(root, productionPackages(root).filter(([name]) => isBeside(name)));

/** Paths of all packages whose work is in an installation, built into the programs or beside them. */
export const packagesUsed = (root) => closure(root, productionPackages(root));

/** Name, version, licence and its text of a package. */
export function licenceOf(root, path) {
  const { name, version, license, author, homepage } = read(root, path);
  const file = readdirSync(join(root, path)).find((each) => /^(licen[cs]e|copying)(\.|$)/i.test(each));
  return { name, version, license, author: typeof author === "string" ? author : author?.name, homepage, text: file === undefined ? undefined : readFileSync(join(root, path, file), "utf8") };
}
