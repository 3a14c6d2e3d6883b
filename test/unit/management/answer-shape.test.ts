/** The judge of K06 by itself, and that its stored schema has every command that can be asked for. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { availableCommands } from "../../../scripts/documents/command-content.ts";
import { breaches, merge, shapeOf, type Shape } from "../../support/answer-shape.ts";

const answer = { Server: "primary", Online: true, Size: 5, Parent: null, Jobs: [{ Id: "1", Left: { value: 5 } }] };
const shape = shapeOf(answer);

describe("the shape of an answer", () => {
  it("is its keys, how they are nested, and their types", () => {
    expect(shape).toEqual({ Server: "text", Online: "flag", Size: "number", Parent: "null", Jobs: [{ Id: "text", Left: { value: "number" } }] });
    expect(breaches(answer, shape)).toEqual([]);
  });

  it("of several has what is not in all of them as such", () => {
    const whole = merge(shape, shapeOf({ Server: "primary", Online: true, Size: null, Parent: "x", Jobs: [], Reason: "r" }));
    expect(whole).toEqual({ Jobs: [{ Id: "text", Left: { value: "number" } }], Online: "flag", Parent: "null | text", "Reason?": "text", Server: "text", Size: "null | number" });
    expect(merge(whole, shape)).toEqual(whole);
    expect(merge(shape, whole)).toEqual(whole);
    const named = merge({ Last: "null" }, { Last: { State: "text" } });
    expect(named).toEqual({ "Last?": { State: "text" } });
    expect(merge(named, { Last: "null" })).toEqual(named);
    expect([null, { State: "x" }, {}].map((Last) => breaches({ Last }, named))).toEqual([[], [], ["answer.Last.State is missing"]]);
    expect(() => merge("text", { a: "text" })).toThrow("no shape in common");
  });

  it.each<[string, unknown, string[]]>([
    ["a key that is gone", { ...answer, Size: undefined }, ["answer.Size is undefined, expected number"]],
    ["a key that has another name", Object.fromEntries(Object.entries(answer).map(([key, value]) => [key === "Server" ? "server" : key, value])), ["answer.Server is missing"]],
    ["another type", { ...answer, Size: "5" }, ["answer.Size is text, expected number"]],
    ["null in place of a list", { ...answer, Jobs: null }, ["answer.Jobs is no list"]],
    ["a list in place of a text", { ...answer, Server: ["primary"] }, ["answer.Server is a list, expected text"]],
    ["one of many entries that lacks a key, deep below", { ...answer, Jobs: [...answer.Jobs, { Id: "2", Left: {} }] }, ["answer.Jobs[1].Left.value is missing"]],
  ])("is broken by %s", (_what, other, found) => {
    expect(breaches(other, shape)).toEqual(found);
  });

  it("is not broken by a key that is new, nor by what was null or empty and now is not", () => {
    expect(breaches({ ...answer, More: 1, Parent: "x", Jobs: [] }, shape)).toEqual([]);
    expect(breaches({ Warnings: ["w"] }, shapeOf({ Warnings: [] }))).toEqual([]);
    // As pgmoneta's library writes a list that is empty.
    expect(breaches({ ...answer, Jobs: {} }, shape)).toEqual([]);
  });
});

describe("the stored schema (K06)", () => {
  it("has every command that can be asked for", () => {
    const stored = JSON.parse(readFileSync(join(import.meta.dirname, "../../fixtures/answers.json"), "utf8")) as { readonly [command: string]: Shape };
    expect(Object.keys(stored).toSorted()).toEqual([...availableCommands.map(({ name }) => name), "(refused)", "conf get of a key"].toSorted());
  });
});
