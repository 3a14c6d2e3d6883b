/** The programs of the children and the surroundings they are started in. */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

export type ChildProgram = "receiver" | "job" | "converter";

/** Path of the program's main module, beside this one, built or not. */
export function programPath(program: ChildProgram): string {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return fileURLToPath(new URL(`../${program}/main.${extension}`, import.meta.url));
}

/** Variables that mean something to a child; everything else, passwords above all, stays with the supervisor. */
const passedOn =
  /^(PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_.*|TZ|TZDIR|TMPDIR|TMP|TEMP|NODE_.*|SSL_CERT_FILE|SSL_CERT_DIR)$/;

/**
 * Environment of a child. `NODE_EXTRA_CA_CERTS` costs each start of Node 20 about 37 ms (measured) and our
 * connections name their CA themselves; jobs get a thread for each core and at least four.
 */
export function childEnvironment(
  program: ChildProgram,
  environment: Readonly<Record<string, string | undefined>>,
  cores: number = availableParallelism(),
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && passedOn.test(name) && name !== "NODE_EXTRA_CA_CERTS") result[name] = value;
  }
  if (program === "job") result["UV_THREADPOOL_SIZE"] = String(Math.max(4, cores));
  return result;
}
