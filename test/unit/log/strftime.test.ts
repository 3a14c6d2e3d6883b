import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { strftime } from "../../../src/log/index.ts";

const zones = ["UTC", "Europe/Copenhagen", "America/St_Johns", "Asia/Kathmandu"];
/** Around new year, in leap years, on both sides of a change to summer time, before 1970, and in between. */
const moments = [
  "2024-02-29T12:00:00Z",
  "2024-12-30T23:59:59Z",
  "2025-01-01T00:00:00Z",
  "2026-03-29T00:59:59Z",
  "2026-03-29T01:00:01Z",
  "2026-10-25T00:30:00Z",
  "2026-10-25T01:30:00Z",
  "2027-01-03T10:05:06Z",
  "2028-12-31T21:00:00Z",
  "1969-12-31T05:04:03Z",
].map((text) => Date.parse(text));
const letters = [..."aAbBCdDeFgGhHIjklmMnpPrRsStTuUVwWyYz%"];

describe.each(zones)("in %s every conversion but %%Z is that of date(1)", (zone) => {
  test.each(moments)("at %s", (moment) => {
    const pattern = letters.map((letter) => `%${letter}`).join("|");
    const earlier = process.env["TZ"];
    process.env["TZ"] = zone;
    try {
      const env = { LC_ALL: "C", TZ: zone, PATH: process.env["PATH"] };
      const expected = execFileSync("date", ["-d", `@${moment / 1000}`, `+${pattern}`], { env, encoding: "utf8" });
      expect(`${strftime(pattern, moment)}\n`).toBe(expected);
    } finally {
      if (earlier === undefined) delete process.env["TZ"];
      else process.env["TZ"] = earlier;
    }
  });
});

test("c, x and X are those of the C locale, E and O change nothing, unknown ones stay", () => {
  const moment = new Date(2026, 10, 5, 9, 8, 7).getTime();
  expect(strftime("%c|%x|%X", moment)).toBe("Thu Nov  5 09:08:07 2026|11/05/26|09:08:07");
  expect(strftime("%Ey %Od %q %", moment)).toBe("26 05 %q %");
});
