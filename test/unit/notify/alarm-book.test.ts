import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { takeIn, type Alarm, type KnownAlarm } from "../../../src/notify/index.ts";

const alarm = (key: string, message = "trouble"): Alarm => ({ key, server: "primary", code: "X", category: "failed", message, hint: "h" });
const rules = { delayMs: 60, notOverBefore: 0 };

/** Plays a sequence of looks; what was told, in order. */
function play(looks: readonly (readonly [at: number, keys: readonly string[]])[], given = rules): string[] {
  let known: readonly KnownAlarm[] = [];
  return looks.flatMap(([at, keys]) => {
    const change = takeIn(known, { alarms: keys.map((key) => alarm(key)) }, at, given);
    known = change.known;
    return [...change.firing.map(({ key }) => `${at} ${key}`), ...change.recovered.map(({ key }) => `${at} ${key} over`)];
  });
}

describe("an alarm", () => {
  it("is told once when it has lasted, and once when it has been gone as long", () => {
    expect(play([[0, ["a"]], [30, ["a"]], [60, ["a"]], [90, ["a"]], [100, []], [150, []], [160, []], [400, []]])).toEqual(["60 a", "160 a over"]);
  });
  it("is not told when it goes before it has lasted", () => {
    expect(play([[0, ["a"]], [30, []], [40, ["a"]], [90, []]])).toEqual([]);
  });
  it("that flickers is not over", () => {
    expect(play([[0, ["a"]], [60, ["a"]], [70, []], [100, ["a"]], [140, []], [190, ["a"]], [300, ["a"]]])).toEqual(["60 a"]);
  });
  it("is told at once without a delay", () => {
    expect(play([[0, ["a", "b"]], [1, ["b"]]], { delayMs: 0, notOverBefore: 0 })).toEqual(["0 a", "0 b", "1 a over"]);
  });
  it("is not over while a daemon that was just started has not seen everything", () => {
    const told: KnownAlarm = { ...alarm("a"), since: 0, told: 5, goneSince: null };
    const grace = { delayMs: 0, notOverBefore: 1000 };
    const first = takeIn([told], { alarms: [] }, 500, grace);
    expect(first.recovered).toEqual([]);
    expect(takeIn(first.known, { alarms: [] }, 1000, grace).recovered).toHaveLength(1);
    expect(takeIn(first.known, { alarms: [alarm("a")] }, 1000, grace)).toMatchObject({ firing: [], recovered: [] });
  });
  it("is not over as long as nobody could look for it, and its time to be gone begins after that", () => {
    const told: KnownAlarm = { ...alarm("a"), since: 0, told: 5, goneSince: null };
    const blind = takeIn([told], { alarms: [], unseen: (key) => key === "a" }, 1000, rules);
    expect(blind).toMatchObject({ recovered: [], known: [{ key: "a", goneSince: null }] });
    const seen = takeIn(blind.known, { alarms: [] }, 2000, rules);
    expect(seen.recovered).toEqual([]);
    // It was gone for a moment when nobody could look again: that moment counts for nothing.
    expect(takeIn(seen.known, { alarms: [], unseen: () => true }, 2060, rules)).toMatchObject({ recovered: [], known: [{ goneSince: null }] });
    expect(takeIn(seen.known, { alarms: [] }, 2060, rules).recovered).toHaveLength(1);
  });
  it("keeps its first message as long as it was told, so that its end names what was told", () => {
    const first = takeIn([], { alarms: [alarm("a", "3 h old")] }, 0, { delayMs: 0, notOverBefore: 0 });
    expect(takeIn(first.known, { alarms: [alarm("a", "4 h old")] }, 1, rules).known[0]?.message).toBe("3 h old");
  });
});

it("for any sequence of looks, firing and over take turns for each alarm", () => {
  const look = fc.tuple(fc.nat(100), fc.uniqueArray(fc.constantFrom("a", "b", "c")));
  fc.assert(
    fc.property(fc.array(look, { maxLength: 60 }), fc.nat(80), (steps, delayMs) => {
      let now = 0;
      const looks = steps.map(([wait, keys]) => [(now += wait), keys] as const);
      const told = play(looks, { delayMs, notOverBefore: 0 });
      for (const key of ["a", "b", "c"]) {
        const own = told.filter((line) => line.split(" ")[1] === key).map((line) => line.endsWith("over"));
        own.forEach((over, index) => expect(over).toBe(index % 2 === 1));
      }
    }),
  );
});
