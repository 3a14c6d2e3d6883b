import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { rehearse } from "./rehearse.mjs";

/**
 * Builds dist/ from src/ unless nothing changed since the last time: each program in one file, with what V8 made of it,
 * because a process that opens two files and compiles nothing starts in a third of the time of one that opens and
 * compiles hundreds. Types are not looked at here: `npm run typecheck` does.
 * @returns {Promise<string>} complaints about sources that cannot be read, empty when there are none
 */
export async function ensureBuilt(root) {
  const stamp = join(root, "dist", ".built-from");
  const print = `${fingerprint(root, ["src"])} ${process.version}`;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === print) return "";
  console.log("Building …");
  const { outputs, complaints } = await bundle(root, await programOptions(entryPoints(root)));
  if (complaints !== "") return complaints;
  writeFileSync(join(root, "dist/package.json"), '{ "type": "commonjs" }\n');
  const starter = readFileSync(join(root, "scripts/setup/start-program.cjs"), "utf8");
  const programs = Object.entries(outputs).filter(([, { entryPoint }]) => entryPoint !== undefined);
  for (const [path, { entryPoint }] of programs) publish(root, path, entryPoint, starter);
  const mains = programs.filter(([, { entryPoint }]) => entryPoint.endsWith("/main.ts"));
  await rehearse(root, Object.fromEntries(mains.map(([path, { entryPoint }]) => [basename(dirname(entryPoint)), path])));
  removeOld(root, outputs);
  writeFileSync(stamp, print);
  return "";
}

/**
 * The same for programs that tests start many times, and that call parts of src/ by themselves.
 * @returns {Promise<string>} complaints
 */
export async function ensureTestPrograms(root) {
  const outdir = "test/fixtures/.built";
  const stamp = join(root, outdir, ".built-from");
  const print = fingerprint(root, ["src", "test/fixtures/wal"]);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === print) return "";
  rmSync(join(root, outdir), { recursive: true, force: true });
  const programs = readdirSync(join(root, "test/fixtures/wal")).filter((name) => name.endsWith("-program.mjs"));
  const threads = entryPoints(root).filter((path) => path.endsWith("-worker.ts"));
  const { complaints } = await bundle(root, {
    entryPoints: [
      ...programs.map((name) => ({ in: `test/fixtures/wal/${name}`, out: `wal/${name.replace(/\.mjs$/, "")}` })),
      // The threads of these programs, where their modules are looked for.
      ...threads.map((path) => ({ in: path, out: path.replace(/^src\//, "").replace(/\.ts$/, "") })),
    ],
    outdir,
    // One level deep like the programs: addresses relative to a module stay true in a chunk.
    chunkNames: "chunks/[name]-[hash]",
    splitting: true,
    format: "esm",
    packages: "external",
  });
  if (complaints === "") writeFileSync(stamp, print);
  return complaints;
}

/** Packages that are not built into the programs: those with native code, and what few runs load. */
export const packagesBeside = ["@mongodb-js/*", "@node-rs/*", "lz4-napi", "bzip2-wasm", "compressjs", "nodemailer"];

/** Node's modules know no code of V8's, so programs are scripts, each a function of what `start-program.cjs` calls it with. */
const programOptions = async (entries) => ({
  entryPoints: entries,
  outdir: "dist/programs",
  outbase: "src",
  // One level deep, as the addresses at which they are started: what is relative to a module stays true.
  entryNames: "[dir]-[name]-[hash]",
  format: "cjs",
  banner: { js: `(function (require, module, exports, moduleAddress) {"use strict";require = require.late(${JSON.stringify(await lateBuiltins())});` },
  footer: { js: "})" },
  // A third less to read and to compare; names stay, for whoever reads a stack.
  minifyWhitespace: true,
  supported: { "dynamic-import": false },
  // An operator can replace those that hold native code; the rest is small and would be found and opened at each start.
  external: packagesBeside,
  define: { "import.meta.url": "moduleAddress" },
});

/** Parts of Node that take milliseconds to load, and that most runs of a program never come to. */
const heavyBuiltins = [
  "child_process", "crypto", "fs/promises", "http", "https", "net", "readline", "stream", "stream/promises", "tls", "v8", "worker_threads", "zlib",
].map((name) => `node:${name}`);

/**
 * The names of what each exports: what is imported of them is looked up when it is used, so that a module that is needed
 * now may import what is needed never.
 */
async function lateBuiltins() {
  const names = async (path) => Object.keys(await import(path)).filter((name) => name !== "default" && name !== "module.exports");
  return Object.fromEntries(await Promise.all(heavyBuiltins.map(async (path) => [path, await names(path)])));
}

async function bundle(root, options) {
  // Only here: it is among the packages that the setup has just installed.
  const { build } = await import("esbuild");
  const outcome = await build({
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node20.19",
    sourcemap: true,
    metafile: true,
    logLevel: "silent",
    ...options,
  }).catch((error) => ({ errors: error.errors ?? [{ text: String(error) }] }));
  return { outputs: outcome.metafile?.outputs ?? {}, complaints: outcome.errors.map(complaint).join("\n") };
}

/**
 * Makes a built program what is started at its address: `dist/cli/main.js` for `src/cli/main.ts`. What starts it is written
 * there with it: a program and its starter are of one build, and a start opens a file less.
 */
function publish(root, path, entryPoint, starter) {
  const address = join(root, entryPoint.replace(/^src/, "dist").replace(/ts$/, "js"));
  mkdirSync(dirname(address), { recursive: true });
  replaceFile(address, `${starter}\nexports.start(${JSON.stringify(basename(path))});\n`);
}

/** Somebody may be starting the program just now. */
function replaceFile(path, content) {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

/** What is started by its path: every main.ts, and the modules that threads run. */
function entryPoints(root) {
  const names = readdirSync(join(root, "src"), { recursive: true }).map((name) => `src/${name.replaceAll("\\", "/")}`);
  return names.filter((name) => /^src\/[a-z]+\/(?:main|[a-z0-9-]+-worker)\.ts$/.test(name)).sort();
}

const complaint = ({ text, location }) =>
  location ? `${location.file}:${location.line}:${location.column}: ${text}` : text;

const A_DAY_MS = 86_400_000;

/** A daemon that runs may just be starting a program of the build before. */
function removeOld(root, outputs) {
  for (const folder of ["dist/chunks", "dist/programs"]) {
    if (!existsSync(join(root, folder))) continue;
    for (const name of readdirSync(join(root, folder))) {
      const path = `${folder}/${name}`;
      if (path.replace(/\.code$/, "") in outputs || Date.now() - statSync(join(root, path)).mtimeMs <= A_DAY_MS) continue;
      rmSync(join(root, path));
    }
  }
}

/** Names, sizes and times of all sources: cheap, and enough to see an edit. */
function fingerprint(root, folders) {
  const hash = createHash("sha256");
  for (const file of ["package-lock.json", "tsconfig.json", ...["build.mjs", "start-program.cjs", "record-code.cjs", "rehearse.mjs"].map((name) => `scripts/setup/${name}`)])
    add(join(root, file));
  for (const folder of folders) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) add(join(entry.parentPath, entry.name));
    }
  }
  function add(path) {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}
