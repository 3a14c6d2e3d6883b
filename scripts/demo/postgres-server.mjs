import { spawn } from "node:child_process";
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import pg from "pg";
import { mustRun } from "../setup/run-command.mjs";

const READY_DEADLINE_MS = 60_000;

/** A new database cluster, made by initdb. Whoever comes over the Unix socket is trusted; nobody else comes. */
export async function initialise({ binDir, directory, settings }) {
  const dataDir = join(directory, "data");
  mkdirSync(directory, { recursive: true });
  const args = ["-D", dataDir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--data-checksums", "--no-sync"];
  await mustRun(join(binDir, "initdb"), args, { cwd: "/" });
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
  appendFileSync(join(dataDir, "postgresql.conf"), lines.join(""));
  return dataDir;
}

/**
 * Starts a server on a data directory. Port and socket directory come by the command line, so that a restored
 * directory is used as it is.
 */
export async function startServer({ binDir, dataDir, socketDir, name }) {
  mkdirSync(socketDir, { recursive: true, mode: 0o700 });
  const port = await freePort();
  const logFile = join(socketDir, `${name}.log`);
  writeFileSync(logFile, "");
  const log = openSync(logFile, "a");
  const args = ["-D", dataDir, "-c", `port=${port}`, "-c", "listen_addresses=", "-c", `unix_socket_directories=${socketDir}`];
  const child = spawn(join(binDir, "postgres"), args, { cwd: "/", stdio: ["ignore", log, log] });
  closeSync(log);
  let ended = false;
  const end = new Promise((resolve) => child.once("close", resolve)).then(() => {
    ended = true;
  });
  child.once("error", () => undefined);

  async function stop() {
    if (ended) return;
    child.kill("SIGINT");
    await end;
  }
  const deadline = Date.now() + READY_DEADLINE_MS;
  while (!isReady(dataDir, child.pid)) {
    if (ended || Date.now() > deadline) {
      await stop();
      throw new Error(`PostgreSQL did not start:\n${readFileSync(logFile, "utf8").slice(-3000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    port,
    socketDir,
    dataDir,
    stop,
    log: () => readFileSync(logFile, "utf8"),
    async connect(database = "postgres") {
      const client = new pg.Client({ host: socketDir, port, user: "postgres", database, application_name: "demo" });
      client.on("error", () => undefined);
      await client.connect();
      return client;
    },
    async value(sql, database) {
      const client = await this.connect(database);
      try {
        const { rows } = await client.query({ text: sql, rowMode: "array" });
        return rows[0]?.[0];
      } finally {
        await client.end();
      }
    },
  };
}

/** The eighth line of postmaster.pid says when connections are accepted. */
function isReady(dataDir, pid) {
  let lines;
  try {
    lines = readFileSync(join(dataDir, "postmaster.pid"), "utf8").split("\n");
  } catch {
    // Not there yet.
    return false;
  }
  return lines[0] === String(pid) && ["ready", "standby"].includes(lines[7]?.trim());
}

/** The port names the socket file too, so that it must be ours alone even without TCP. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
