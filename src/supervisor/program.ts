/** The programs of the children and the surroundings they are started in. */
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

export type ChildProgram = "receiver" | "job" | "converter" | "prober";

/** Path of the program's main module, beside this one, built or not. */
export function programPath(program: ChildProgram): string {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return fileURLToPath(new URL(`../${program}/main.${extension}`, import.meta.url));
}

/** Variables that mean something to a child; everything else, passwords above all, stays with the supervisor. */
const passedOn =
  /^(PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_.*|TZ|TZDIR|TMPDIR|TMP|TEMP|NODE_.*|SSL_CERT_FILE|SSL_CERT_DIR)$/;

/**
 * How the C library hands out memory to jobs. Chunks of a megabyte come and go by thousands: as it is, each is mapped and
 * unmapped, or cut off the end of one of many heaps, and memory that was never touched costs more than what is done with it
 * (a restore of 1.9 GB: 124,000 page faults and 9.0 s of processor time, so 16,000 and 5.5 s). One heap that is kept, in
 * large pages; its size is that of what is in use at a time, which the pipeline bounds. Other C libraries ignore it.
 */
const memory = {
  "glibc.malloc.arena_max": 1,
  "glibc.malloc.mmap_threshold": 32 * 1024 * 1024,
  "glibc.malloc.top_pad": 16 * 1024 * 1024,
  "glibc.malloc.trim_threshold": 128 * 1024 * 1024,
  "glibc.malloc.hugetlb": 1,
};

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
  if (program === "job") {
    result["UV_THREADPOOL_SIZE"] = String(Math.max(4, cores));
    result["GLIBC_TUNABLES"] = Object.entries(memory).map((pair) => pair.join("=")).join(":");
  }
  return result;
}
