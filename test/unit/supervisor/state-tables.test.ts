import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createStateMachine, type TransitionTable } from "../../../src/common/index.ts";
import { childTable } from "../../../src/supervisor/child-machine.ts";
import { isFinal, jobTable, type JobEvent } from "../../../src/supervisor/job-machine.ts";
import { accessOf, mayRunTogether } from "../../../src/supervisor/locks.ts";
import type { JobCommand } from "../../../src/state/index.ts";

function reachable<S extends string, E extends string>(table: TransitionTable<S, E>, from: S): Set<S> {
  const seen = new Set<S>([from]);
  for (const state of seen)
    for (const next of Object.values<S | undefined>(table[state])) if (next !== undefined) seen.add(next);
  return seen;
}

describe("the life of a child", () => {
  it("can always be drained to an end, from wherever it is", () => {
    for (const state of Object.keys(childTable) as (keyof typeof childTable)[]) {
      const machine = createStateMachine(childTable, state);
      machine.handle("drain");
      if (machine.state === "draining") machine.handle("ended");
      expect(machine.state).toBe("stopped");
    }
  });

  it("reaches every state and leaves every state again", () => {
    const all = Object.keys(childTable).sort();
    for (const state of all) expect([...reachable(childTable, state as keyof typeof childTable)].sort()).toEqual(all);
  });

  it("never starts by itself after it was stopped", () => {
    const byItself = (Object.keys(childTable.stopped) as ("start" | "drain")[]).filter(
      (event) => childTable.stopped[event] === "starting",
    );
    expect(byItself).toEqual(["start"]);
  });
});

describe("the life of a job", () => {
  const events: readonly JobEvent[] = ["dispatch", "running", "result", "error", "aborted", "ended", "cancel"];

  it("has exactly one outcome, which nothing that comes later changes", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events), { maxLength: 20 }), (story) => {
        const machine = createStateMachine(jobTable, "waiting");
        let outcome: string | undefined;
        for (const event of story) {
          if (!machine.accepts(event)) continue;
          machine.handle(event);
          if (outcome !== undefined) expect(machine.state).toBe(outcome);
          if (isFinal(machine.state)) outcome = machine.state;
        }
      }),
    );
  });

  it("succeeds only by a result", () => {
    for (const [state, row] of Object.entries(jobTable)) {
      for (const [event, next] of Object.entries(row)) {
        if (next === "succeeded" && state !== "succeeded") expect(event).toBe("result");
      }
    }
  });

  it("ends when its process ends, in whatever state that finds it", () => {
    for (const state of ["starting", "running", "cancelling"] as const) {
      expect(isFinal(createStateMachine(jobTable, state).handle("ended"))).toBe(true);
    }
  });
});

describe("jobs of one server", () => {
  const commands = Object.keys(accessOf) as JobCommand[];

  it("agree on who runs with whom", () => {
    for (const a of commands)
      for (const b of commands) expect(mayRunTogether(a, b), `${a} and ${b}`).toBe(mayRunTogether(b, a));
  });

  it("are kept apart exactly where one would harm the other, whatever backups they work with", () => {
    const apart = commands.flatMap((a, index) =>
      commands
        .slice(index)
        .filter((b) => !mayRunTogether(a, b))
        .map((b) => [a, b].sort().join("+")),
    );
    expect(apart.sort()).toEqual(
      [
        "archive-wal+archive-wal",
        "backup+backup",
        "backup+clean",
        "clean+clean",
        "clean+delete",
        "clean+retention",
        "delete+delete",
        "delete+retention",
        "retention+retention",
        "ship-wal+ship-wal",
        "verify+verify",
        // The WAL gets another place: nobody else may be there.
        ...commands.map((command) => [command, "lineage"].sort().join("+")),
      ].sort(),
    );
  });
});
