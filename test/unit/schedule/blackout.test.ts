import { expect, it } from "vitest";
import { blackoutAt, formatBlackout, parseBlackout } from "../../../src/schedule/index.ts";

it.each(["08:00-18:00", "mon-fri 08:00-18:00", "sat 00:00-24:00", "fri-mon 22:00-06:00"])(
  "%s is read and written alike",
  (text) => {
    const window = parseBlackout(text);
    expect(window).toBeDefined();
    if (window !== undefined) expect(formatBlackout(window)).toBe(text);
  },
);

it.each([
  "",
  "8-18",
  "24:00-06:00",
  "08:00-24:30",
  "08:60-09:00",
  "08:00-08:00",
  "xyz 08:00-09:00",
  "mon-xyz 08:00-09:00",
])("%j is no window", (text) => {
  expect(parseBlackout(text)).toBeUndefined();
});

it("a window over midnight belongs to the day on which it begins", () => {
  const windows = [parseBlackout("fri 22:00-06:00")].filter((window) => window !== undefined);
  const within = (time: string): boolean => blackoutAt(windows, "UTC", Date.parse(time)) !== undefined;
  // 2026-12-04 is a Friday.
  expect(within("2026-12-04T21:59:00Z")).toBe(false);
  expect(within("2026-12-04T22:00:00Z")).toBe(true);
  expect(within("2026-12-05T05:59:00Z")).toBe(true);
  expect(within("2026-12-05T06:00:00Z")).toBe(false);
  expect(within("2026-12-05T22:30:00Z")).toBe(false);
});
