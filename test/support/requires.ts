import { describe, test } from "vitest";
import { findPostgres } from "./postgres-binaries.ts";
import type { PostgresMajor } from "./postgres-binaries.ts";
import { findTool } from "./tools.ts";

export { findTool, tool } from "./tools.ts";

/** The name of a program, "root", or a PostgreSQL server of a major. */
export type Requirement = "root" | "not-root" | `postgres-${PostgresMajor}` | (string & {});

type Body = () => void | Promise<void>;

export interface RequiringTests {
  readonly describe: (name: string, body: () => void) => void;
  readonly test: (name: string, body: Body, timeoutMs?: number) => void;
  readonly it: (name: string, body: Body, timeoutMs?: number) => void;
}

/**
 * Tests that need something which not every machine has. Where it is absent they are skipped, with the reason as the
 * end of their name; scripts/test.mjs lists them, and a run with --no-skips fails.
 */
export function requires(...requirements: readonly Requirement[]): RequiringTests {
  const reasons = requirements.flatMap((requirement) => missing(requirement) ?? []);
  const named = (name: string): string => (reasons.length === 0 ? name : `${name} (needs ${reasons.join(", ")})`);
  const register = (name: string, body: Body, timeoutMs?: number): void => {
    if (reasons.length === 0) test(name, body, timeoutMs);
    else test.skip(named(name), body);
  };
  return {
    describe(name, body) {
      if (reasons.length === 0) describe(name, body);
      else describe.skip(named(name), body);
    },
    test: register,
    it: register,
  };
}

/** One test for each major, those without a server here skipped with the reason. `%s` in the name becomes the major. */
export function testOnMajors(
  majors: readonly PostgresMajor[],
  name: string,
  body: (major: PostgresMajor) => Promise<void>,
  timeoutMs?: number,
): void {
  for (const major of majors) requires(`postgres-${major}`).test(name.replace("%s", String(major)), () => body(major), timeoutMs);
}

function missing(requirement: Requirement): string | undefined {
  const isRoot = process.getuid?.() === 0;
  if (requirement === "root") return isRoot ? undefined : "root";
  if (requirement === "not-root") return isRoot ? "an unprivileged user" : undefined;
  const server = /^postgres-(\d+)$/.exec(requirement);
  if (server !== null) return findPostgres(Number(server[1]) as PostgresMajor) === undefined ? `PostgreSQL ${server[1] ?? ""}` : undefined;
  return findTool(requirement) === undefined ? requirement : undefined;
}
