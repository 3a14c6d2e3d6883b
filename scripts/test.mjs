#!/usr/bin/env node
/**
 * Runs the tests, from a fresh clone as well: installs what is missing, compiles, checks types and style, starts
 * vitest, and adds up. As root everything that root must not do runs as nobody, and test/root as root.
 *
 *   node scripts/test.mjs                     everything, of test/system and test/integration a fifth: see test/turn.mjs
 *   --all                                     all of those too
 *   node scripts/test.mjs test/unit/postgres  only these, quickly (no type check, no lint)
 *   --no-skips                                skipped tests count as failed
 *   -t <pattern>                              only tests whose name matches
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt, ensureTestPrograms } from "./setup/build.mjs";
import { ensureDependencies } from "./setup/dependencies.mjs";
import { ALL_MAJORS, ensureServers } from "./setup/embedded-postgres.mjs";
import { exclusively } from "./setup/exclusive.mjs";
import { prepareOrdinaryRun } from "./setup/ordinary-user.mjs";
import { runCommand } from "./setup/run-command.mjs";
import { prepareMemory } from "./test/memory.mjs";
import { summarise } from "./test/summary.mjs";
import { turnOf } from "./test/turn.mjs";

const root = join(import.meta.dirname, "..");
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { all: { type: "boolean", default: false }, "no-skips": { type: "boolean", default: false }, testNamePattern: { type: "string", short: "t" } },
});
const paths = positionals.map((path) => relative(root, resolve(path)) || ".");
const everything = paths.length === 0 && options.testNamePattern === undefined;
const turn = turnOf(root, options.all || !everything);
const isRoot = process.getuid?.() === 0;
const results = [];
const children = new Set();
let interrupted = false;
/** Where the tests run, and where their servers lie, known once everything is installed. */
let run;
let memory;

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    interrupted = true;
    for (const child of children) child.kill(signal);
  });
}
const remove = () => {
  run?.remove();
  memory?.remove();
};
process.on("exit", remove);

try {
  await installAndBuild();
  run = prepareOrdinaryRun(root, { name: "mt" });
  memory = prepareMemory(run.identity);
  // Side by side: much of test/root waits, and each check keeps one core busy at most.
  await together(everything ? checkSources() : undefined, ...runSuites());
  if (everything) reportLeftovers();
  if (turn !== "all") console.log(`fifth ${turn} of test/system and test/integration was run; npm test -- --all runs all of them`);
} catch (error) {
  // Whatever stops the run is a failure that the last line must tell.
  results.push({ tests: [], errors: [error.message] });
}
remove();
const { text, ok } = summarise(results, { noSkips: options["no-skips"], filtered: options.testNamePattern !== undefined });
console.log(text);
process.exit(ok && !interrupted ? 0 : 1);

async function installAndBuild() {
  await exclusively(join(root, ".setup.lock"), async () => {
    await ensureDependencies(root);
    await ensureServers(root, ALL_MAJORS);
    if (!everything && paths.every((path) => /^test\/(unit|conformance)\b/.test(path))) return;
    const complaints = (await ensureBuilt(root)) || (await ensureTestPrograms(root));
    // A file that does not parse is told; the last build stands.
    if (complaints !== "" && everything) results.push(check("build", { status: 1, output: complaints }));
    else if (complaints !== "") console.error(complaints);
  });
}

async function checkSources() {
  const file = join(run.scratch, "checks.json");
  const { status, output } = await runCommand(process.execPath, [join(root, "scripts/test/check-sources.mjs"), file], { cwd: root });
  if (status === 0) results.push(...JSON.parse(readFileSync(file, "utf8")).map((one) => check(one.name, one)));
  else results.push(check("type check, lint and floors", { status, output }));
}

/** Waits for all, whatever comes of one; then fails with what the first of them failed with. */
async function together(...work) {
  for (const { status, reason } of await Promise.allSettled(work)) if (status === "rejected") throw reason;
}

/** As root: test/root as root, all the rest as nobody. As anybody else: everything at once, and test/root is skipped. */
function runSuites() {
  const forRoot = (path) => isRoot && /^test\/root\b/.test(path);
  const others = paths.filter((path) => !forRoot(path));
  const main = paths.length === 0 || others.length > 0;
  const rootToo = paths.length === 0 || paths.some(forRoot) || paths.includes("test") || paths.includes(".");
  const suites = main ? [vitest("main", run, others)] : [];
  if (isRoot && rootToo) {
    const files = paths.filter(forRoot);
    const asRoot = { ...run, root, node: process.execPath, identity: {}, beside: main };
    suites.push(vitest("root", asRoot, files.length > 0 ? files : ["test/root"]));
  }
  return suites;
}

/** A check is one test in the sum; what it found is shown when it failed. */
function check(name, { status, output }) {
  if (status !== 0) console.log(`\n${name}:\n${output}`);
  else console.log(`${name}: in order`);
  return { tests: [{ file: "checks", name, state: status === 0 ? "passed" : "failed" }], errors: [] };
}

/** Runs vitest and keeps what its reporter wrote; a run that wrote nothing has failed. */
async function vitest(suite, where, filters) {
  const resultFile = join(run.scratch, "t", `results-${suite}.json`);
  const args = [join(where.root, "node_modules", "vitest", "vitest.mjs"), "run", "--configLoader=runner", ...filters];
  args.push("--reporter=default", "--reporter=./scripts/test/result-file.mjs", "--passWithNoTests");
  if (options.testNamePattern !== undefined) args.push("-t", options.testNamePattern);
  const env = { ...where.env, MONETA_TEST_SUITE: isRoot ? suite : "all", MONETA_TEST_RESULTS: resultFile, MONETA_TEST_MEMORY: memory.path, MONETA_TEST_TURN: turn };
  // Costs each start of Node 20 some 50 ms, and a run starts more than a thousand; no test speaks to the world.
  env.NODE_EXTRA_CA_CERTS = undefined;
  env.MONETA_TEST_CACHE = everything ? join(run.scratch, "t") : undefined;
  const status = await new Promise((done, fail) => {
    // What runs beside another suite is shown in one piece when it has ended.
    const output = where.beside === true ? "pipe" : "inherit";
    const child = spawn(where.node, args, { cwd: where.root, env, stdio: ["ignore", output, output], ...where.identity });
    const pieces = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (piece) => pieces.push(piece));
    children.add(child);
    child.once("error", fail);
    child.once("close", (code) => {
      children.delete(child);
      process.stdout.write(Buffer.concat(pieces));
      done(code ?? 1);
    });
  });
  if (!existsSync(resultFile)) {
    results.push({ tests: [], errors: [`vitest ended with status ${status} and left no results (${suite})`] });
    return;
  }
  const result = JSON.parse(readFileSync(resultFile, "utf8"));
  results.push(result);
  const blamed = result.errors.length > 0 || result.tests.some((test) => test.state === "failed");
  if (status !== 0 && !blamed) results.push({ tests: [], errors: [`vitest ended with status ${status} although no test failed (${suite})`] });
}

/** Whatever tests made and did not remove is a defect of theirs. */
function reportLeftovers() {
  const ours = /^(results-.*\.json|moneta-initdb-.*|moneta-accounts-.*|moneta-pg\d+-.*|node-compile-cache|tsx-|vite)/;
  for (const name of [...readdirSync(join(run.scratch, "t")), ...memory.left()]) {
    if (!ours.test(name)) results.push({ tests: [], errors: [`a test left ${name} in the temporary directory`] });
  }
}
