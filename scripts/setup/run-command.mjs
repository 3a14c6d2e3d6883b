import { spawn } from "node:child_process";

/**
 * Runs a program and waits for its end. Its output is shown with `show`, else kept and told only on failure.
 * @returns {Promise<{ status: number, output: string }>} status 128 + n for signal n is not modelled: a killed program has status 1
 */
export function runCommand(command, args, { cwd, env, show = false, uid, gid } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ["ignore", show ? "inherit" : "pipe", show ? "inherit" : "pipe"],
      ...(uid === undefined ? {} : { uid, gid }),
    });
    const pieces = [];
    child.stdout?.on("data", (piece) => pieces.push(piece));
    child.stderr?.on("data", (piece) => pieces.push(piece));
    child.once("error", reject);
    child.once("close", (status) => resolve({ status: status ?? 1, output: Buffer.concat(pieces).toString("utf8") }));
  });
}

/** The same for a program that must succeed. */
export async function mustRun(command, args, options) {
  const { status, output } = await runCommand(command, args, options);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with status ${status}\n${output}`);
  return output;
}

/** How to call npm: the one that runs us, else the one in the path. */
export function npmCommand() {
  const script = process.env.npm_execpath;
  return script?.endsWith(".js") ? [process.execPath, [script]] : ["npm", []];
}
