import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync, openSync, closeSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../setup/run-command.mjs";

const READY_DEADLINE_MS = 30_000;

/**
 * Moneta as an operator sets it up: a configuration file, a master key, a user, the daemon, and the client.
 * @param {{ root: string, directory: string, server: { name: string, socketDir: string, port: number, user: string, password: string } }} options
 */
export async function setUpMoneta({ root, directory, server }) {
  const at = (name) => join(directory, name);
  for (const name of ["home", "etc", "repository", "run"]) mkdirSync(at(name), { recursive: true, mode: 0o700 });
  const configuration = [
    "[pgmoneta]",
    "host = localhost",
    `base_dir = ${at("repository")}`,
    `unix_socket_dir = ${at("run")}`,
    "compression = zstd",
    "encryption = aes-256-gcm",
    "create_slot = yes",
    "log_level = info",
    "",
    `[${server.name}]`,
    `host = ${server.socketDir}`,
    `port = ${server.port}`,
    `user = ${server.user}`,
    `wal_slot = moneta_${server.name}`,
    "",
  ].join("\n");
  writeFileSync(at("etc/pgmoneta.conf"), configuration, { mode: 0o600 });
  writeFileSync(at("etc/pgmoneta_cli.conf"), `[pgmoneta]\nunix_socket_dir = ${at("run")}\n`, { mode: 0o600 });
  const env = { ...process.env, HOME: at("home"), LC_ALL: "C.UTF-8" };
  delete env.PGMONETA_CONFIG_DIR;
  const program = (name) => join(root, "bin", name);

  async function admin(args, more = {}) {
    const { status, output } = await runCommand(process.execPath, [program("moneta-admin"), ...args], { env: { ...env, ...more }, cwd: directory });
    if (status !== 0) throw new Error(`moneta-admin ${args.at(-1)} failed:\n${output}`);
  }
  await admin(["-g", "master-key"]);
  await admin(["-f", at("etc/pgmoneta_users.conf"), "-U", server.user, "user", "add"], { PGMONETA_PASSWORD: server.password });

  const client = (args) => [program("moneta-cli"), "-c", at("etc/pgmoneta_cli.conf"), ...args];

  /** Runs the client with its output where ours goes; false if it said that the command failed. */
  async function show(args) {
    const { status } = await runCommand(process.execPath, client(args), { env, cwd: directory, show: true });
    return status === 0;
  }

  /** Runs the client for its document with plain numbers. */
  async function ask(args) {
    const { status, output } = await runCommand(process.execPath, client(["-F", "raw", ...args]), { env, cwd: directory });
    if (status !== 0) throw new Error(`moneta-cli ${args.join(" ")} ended with status ${status}:\n${output}`);
    return JSON.parse(output).Response;
  }

  return { directory, repository: at("repository"), show, ask, start: () => startDaemon({ program: program("moneta"), at, env, ask }) };
}

async function startDaemon({ program, at, env, ask }) {
  const logFile = at("moneta.log");
  const log = openSync(logFile, "a");
  const child = spawn(process.execPath, [program, "-D", at("etc")], { env, cwd: at("."), stdio: ["ignore", log, log] });
  closeSync(log);
  let ended = false;
  const end = new Promise((resolve) => child.once("close", resolve)).then(() => {
    ended = true;
  });
  const text = () => readFileSync(logFile, "utf8");
  async function stop() {
    if (ended) return;
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGTERM"), 15_000);
    await end;
    clearTimeout(force);
  }
  const deadline = Date.now() + READY_DEADLINE_MS;
  for (;;) {
    if (ended || Date.now() > deadline) {
      await stop();
      throw new Error(`Moneta did not start:\n${text().slice(-3000)}`);
    }
    const streaming = await isStreaming(ask);
    if (streaming) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { stop, log: text };
}

/** Started means: it answers, and WAL flows. */
async function isStreaming(ask) {
  try {
    const { Servers: servers } = await ask(["status", "details"]);
    return servers.every((server) => server.WalStreaming === true);
  } catch {
    // Not listening yet.
    return false;
  }
}
