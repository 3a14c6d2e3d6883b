/** Runs built programs as they are run in earnest, in a directory of their own, to keep what V8 makes of them. */
import { spawn } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { prepareOrdinaryRun } from "./ordinary-user.mjs";

/** Whatever goes wrong in a rehearsal: it takes no longer, milliseconds. */
const LONGEST_MS = 20_000;

/**
 * Puts `<program>.code` beside each of the programs (paths by the names of their folders). One that could not be had is
 * left out: the program works as well without, only later.
 */
export async function rehearse(root, programs) {
  const run = prepareOrdinaryRun(root, { name: "moneta-rehearsal", entries: ["dist", "scripts", "node_modules", "package.json"] });
  try {
    const play = (name, ...words) => start(run, programs[name], fileOf(run, name), words);
    writeConfiguration(run);
    // Without a supervisor they end at once: what they load is what counts.
    const others = ["receiver", "job", "converter", "prober"].map((name) => play(name).ended);
    others.push(play("admin", "--version").ended);
    const daemon = play("supervisor", "-D", join(run.scratch, "etc"));
    if (await answers(daemon, join(run.scratch, ".s.pgmoneta"))) {
      await play("cli", "-c", join(run.scratch, "etc/pgmoneta_cli.conf"), "status").ended;
      daemon.process.kill("SIGTERM");
    }
    await Promise.all([...others, daemon.ended]);
    for (const [name, program] of Object.entries(programs)) keep(fileOf(run, name), `${join(root, program)}.code`);
  } finally {
    run.remove();
  }
}

const fileOf = (run, name) => join(run.scratch, "t", `${name}.code`);

function start(run, program, file, words) {
  const [recorder, path] = ["scripts/setup/record-code.cjs", program].map((name) => join(run.root, name));
  const child = spawn(run.node, [recorder, path, file, ...words], {
    ...run.identity,
    // What else is in the surroundings (NODE_OPTIONS above all) may change what V8 makes.
    env: { HOME: run.scratch, TMPDIR: join(run.scratch, "t"), PATH: process.env.PATH },
    stdio: "ignore",
    timeout: LONGEST_MS,
    killSignal: "SIGKILL",
  });
  const ended = new Promise((resolve) => {
    child.on("error", resolve);
    child.on("exit", resolve);
  });
  return { process: child, ended };
}

/** A daemon of one server that is not there. */
function writeConfiguration({ scratch }) {
  const write = (name, lines) => writeFileSync(join(scratch, "etc", name), `${lines.join("\n")}\n`, { mode: 0o644 });
  mkdirSync(join(scratch, "etc"));
  const socket = `unix_socket_dir = ${scratch}`;
  const main = ["[pgmoneta]", "host = localhost", `base_dir = ${join(scratch, "t/backup")}`, socket, "log_type = console"];
  write("pgmoneta.conf", [...main, "[rehearsal]", "host = 127.0.0.1", "port = 1", "user = moneta", "wal_slot = rehearsal"]);
  write("pgmoneta_cli.conf", ["[pgmoneta]", socket]);
}

async function answers(daemon, socket) {
  let over = false;
  void daemon.ended.then(() => {
    over = true;
  });
  while (!over && !existsSync(socket)) await pause(10);
  return !over;
}

function keep(from, to) {
  if (!existsSync(from)) return;
  copyFileSync(from, `${to}.new`);
  chmodSync(`${to}.new`, 0o644);
  renameSync(`${to}.new`, to);
}
