import { spawn } from "node:child_process";
import { join } from "node:path";

/**
 * Runs test files in their long form and ends this process with their status. Who stops it stops them as well.
 * @param {readonly string[]} files
 * @param {Readonly<Record<string, string | number | undefined>>} variables  of the environment; undefined: not set
 */
export function runTests(files, variables) {
  const env = { ...process.env };
  for (const [name, value] of Object.entries(variables)) if (value !== undefined) env[name] = String(value);
  const child = spawn(process.execPath, [join(import.meta.dirname, "..", "test.mjs"), ...files], { env, stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.once("close", (code) => process.exit(code ?? 1));
}
