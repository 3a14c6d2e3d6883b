import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createStateMachine } from "../../../src/common/index.ts";
import { receiverTable, type ReceiverInput, type ReceiverState } from "../../../src/wal/index.ts";

const states = Object.keys(receiverTable) as ReceiverState[];
const inputs: ReceiverInput[] = ["connect", "connected", "compare", "stream", "timeline-end", "disk-full", "space-back", "lost", "refuse", "stop"];
const next = (state: ReceiverState, input: ReceiverInput): ReceiverState | undefined =>
  (receiverTable[state] as Partial<Record<ReceiverInput, ReceiverState>>)[input];

/** The cells of the second table of the page: state → input → state. */
function documentedTable(): Record<string, Record<string, string>> {
  const page = readFileSync(join(import.meta.dirname, "../../../doc/wal-receiver.md"), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("|")).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", "")));
  const header = rows.findIndex((row) => row[1] === "connect");
  const names = rows[header] ?? [];
  const table: Record<string, Record<string, string>> = {};
  for (const [state = "", ...cells] of rows.slice(header + 2)) {
    table[state] = {};
    for (const [i, cell] of cells.entries()) if (cell !== "") table[state][names[i + 1] ?? ""] = cell;
  }
  return table;
}

describe("the life of a receiver", () => {
  it("is the table of the page", () => {
    const table = Object.fromEntries(states.map((state) => [state, { ...receiverTable[state] }]));
    expect(documentedTable()).toEqual(table);
  });

  it("can be stopped in every state, for good", () => {
    for (const state of states) expect(next(state, "stop")).toBe(state === "stopped" ? undefined : "stopped");
    expect(receiverTable.stopped).toEqual({});
  });

  it("leads from every state but the last back to streaming", () => {
    for (const from of states.filter((state) => state !== "stopped")) {
      const reached = new Set<ReceiverState>([from]);
      for (const state of reached) for (const input of inputs) if (next(state, input) !== undefined) reached.add(next(state, input) as ReceiverState);
      expect(reached.has("streaming"), from).toBe(true);
    }
  });

  it("acknowledges new WAL only after it has connected, prepared and, when there is something, compared", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...inputs), { maxLength: 60 }), (wishes) => {
        const trail: ReceiverState[] = ["disconnected"];
        const machine = createStateMachine<ReceiverState, ReceiverInput>(receiverTable, "disconnected", (_from, _input, to) => trail.push(to));
        for (const wish of wishes) {
          if (machine.accepts(wish)) machine.handle(wish);
          else expect(() => machine.handle(wish)).toThrow(expect.objectContaining({ code: "STATE_TRANSITION" }) as Error);
        }
        for (const [at, state] of trail.entries()) {
          if (state === "streaming") expect(["preparing", "comparing"]).toContain(trail[at - 1]);
          if (state === "comparing") expect(trail[at - 1]).toBe("preparing");
          if (state === "paused") expect(["comparing", "streaming"]).toContain(trail[at - 1]);
        }
        // After every loss the cluster is asked again who it is.
        const lost = trail.lastIndexOf("disconnected");
        if (trail.slice(lost).includes("streaming")) expect(trail.slice(lost)).toContain("connecting");
      }),
    );
  });
});
