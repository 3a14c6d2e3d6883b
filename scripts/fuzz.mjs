#!/usr/bin/env node
/**
 * Fuzzes every parser that reads what somebody else wrote, one after the other, each in a process of its own at low
 * priority. What is found is made short and printed as base64 with its seed; the status is 1 then.
 *
 *   node scripts/fuzz.mjs                        a million inputs for each parser: hours
 *   --target NAME                                only this one; may be repeated
 *   --inputs N                                   so many for each
 *   --minutes M                                  at most so long for each
 *   --seed S                                     inputs of an earlier run; default: the time
 *   --jobs N                                     so many at a time; default 1
 *   --json FILE                                  the figures
 *   --target NAME --seed S --show N              prints input N as base64
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { commandOptions } from "./setup/command-options.mjs";

const root = join(import.meta.dirname, "..");
const million = 1_000_000;
/** Milliseconds without a new input after which a process hangs. */
const patience = 120_000;
const lowest = 19;

const options = commandOptions(
  {
    target: [],
    inputs: { least: 1 },
    minutes: { least: 0.01, whole: false },
    seed: String(Date.now()),
    jobs: { least: 1, default: 1 },
    json: undefined,
    show: { least: 0 },
  },
  "npm run fuzz -- [--target NAME] [--inputs N] [--minutes M] [--seed S] [--jobs N] [--json FILE] [--show N]",
);
const scratch = mkdtempSync(join(tmpdir(), "moneta-fuzz-run-"));
const children = new Set();
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(scratch, { recursive: true, force: true });
    process.exit(130);
  });
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function main() {
  const all = JSON.parse((await start(["--list"])).output);
  const unknown = options.target.filter((name) => !all.some((target) => target.name === name));
  if (unknown.length > 0) {
    console.error(`no such target: ${unknown.join(", ")}; there are ${all.map(({ name }) => name).join(", ")}`);
    return false;
  }
  const chosen = all.filter(({ name }) => options.target.length === 0 || options.target.includes(name));
  if (options.show !== undefined) {
    for (const { name } of chosen) process.stdout.write((await start(["--target", name, "--seed", options.seed, "--show", String(options.show)])).output);
    return true;
  }
  console.log(`seed ${options.seed}`);
  console.log(row("target", "inputs", "accepted", "slowest", "memory", "held", "refused with"));
  const results = [];
  const waiting = [...chosen];
  await Promise.all(
    Array.from({ length: options.jobs }, async () => {
      for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
        const result = await runTarget(target);
        results.push(result);
        report(result);
      }
    }),
  );
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ seed: options.seed, results }, null, 1)}\n`);
  const defects = results.reduce((sum, { defects: found }) => sum + found.length, 0);
  console.log(`${results.reduce((sum, { inputs }) => sum + inputs, 0)} inputs, ${defects} defects, seed ${options.seed}`);
  return defects === 0;
}

/** The tally of a target; a process that hung or died has a defect with the input that it was at. */
async function runTarget({ name, atOnce }) {
  const inputs = String(options.inputs ?? million);
  const mark = join(scratch, name);
  writeFileSync(mark, "");
  const args = ["--target", name, "--seed", options.seed, "--inputs", inputs, "--mark", mark];
  if (options.minutes !== undefined) args.push("--minutes", String(options.minutes));
  const { output, errors, ended } = await start(args, mark);
  const line = output.trim().split("\n").at(-1) ?? "";
  if (ended === "ended" && line.startsWith("{")) return JSON.parse(line);
  const reached = Math.max(0, numberAt(mark));
  const { number, text } = await culprit(name, { ended, errors, reached, atOnce }, mark);
  const shown = await start(["--target", name, "--seed", options.seed, "--show", String(number)]);
  const defect = { signature: ended, number, input: shown.output.trim(), text };
  return { target: name, inputs: reached, accepted: 0, refusals: {}, slowestMs: 0, slowestNumber: 0, peakMemory: 0, growth: 0, defects: [defect] };
}

/** The input at which a process ended; where several were under way, they are run again one after the other. */
async function culprit(name, { ended, errors, reached, atOnce }, mark) {
  const told = (how, what) => `the process ${how} at this input\n${what.slice(-2000)}`;
  if (atOnce === 1) return { number: reached, text: told(ended, errors) };
  const alone = await start(["--target", name, "--seed", options.seed, "--from", String(reached), "--inputs", String(atOnce), "--at-once", "1", "--mark", mark], mark);
  if (alone.ended !== "ended") return { number: Math.max(reached, numberAt(mark)), text: told(alone.ended, alone.errors) };
  return { number: reached, text: `the process ${ended} at one of the ${atOnce} inputs from this one on, which were under way together; by itself none of them does that\n${errors.slice(-2000)}` };
}

/** The number of the input at work; -1 before the first one. */
function numberAt(mark) {
  const bytes = readFileSync(mark);
  return bytes.length < 8 ? -1 : bytes.readDoubleLE(0);
}

/** Runs the program of a target and watches that it goes on. */
function start(args, mark) {
  return new Promise((resolve, reject) => {
    const program = [join(root, "test/fuzz/run-target.ts"), ...args];
    const child = spawn(process.execPath, ["--expose-gc", "--max-old-space-size=1024", "--import", "tsx", ...program], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.add(child);
    if (child.pid !== undefined) setPriority(child.pid, lowest);
    let output = "";
    let errors = "";
    let hung = false;
    let last = -1;
    child.stdout.on("data", (piece) => (output += piece));
    child.stderr.on("data", (piece) => (errors = (errors + piece).slice(-20_000)));
    const watch = setInterval(() => {
      if (mark === undefined) return;
      const now = numberAt(mark);
      hung = now === last && now >= 0;
      last = now;
      if (hung) child.kill("SIGKILL");
    }, patience);
    child.once("error", reject);
    child.once("close", (status, signal) => {
      clearInterval(watch);
      children.delete(child);
      const ended = hung ? "hung" : status === 0 ? "ended" : `ended with ${signal ?? `status ${status}`}`;
      if (args.includes("--list") && status !== 0) reject(new Error(errors));
      else resolve({ output, errors, ended });
    });
  });
}

function row(target, inputs, accepted, slowest, memory, held, refusals) {
  const cells = [String(inputs).padStart(9), String(accepted).padStart(9), slowest.padStart(9), memory.padStart(8), held.padStart(8)];
  return `${target.padEnd(22)}${cells.join("")}  ${refusals}`;
}

function report({ target, inputs, accepted, slowestMs, peakMemory, growth, refusals, defects }) {
  const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;
  const codes = Object.entries(refusals).map(([code, times]) => `${code} ${times}`);
  console.log(row(target, inputs, accepted, `${Math.round(slowestMs)} ms`, megabytes(peakMemory), megabytes(growth), codes.join(", ")));
  for (const { number, text, input, seed } of defects) {
    console.log(`\nDEFECT in ${target}: input ${number} of seed ${options.seed}\n${text}\nshortest input found${seed === undefined ? "" : `, cut by "${seed}"`}, base64:\n${input}\n`);
  }
}
