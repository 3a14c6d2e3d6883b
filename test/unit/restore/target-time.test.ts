import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { formatInstant, instantFromMs, instantOf, parseTargetTime } from "../../../src/restore/target-time.ts";

const instant = (text: string, zone?: string) => formatInstant(instantOf(parseTargetTime(text), zone));

describe("a target time", () => {
  it.each([
    ["2026-11-20 09:00:00+01", "2026-11-20 08:00:00+00"],
    ["2026-11-20T09:00:00.123456Z", "2026-11-20 09:00:00.123456+00"],
    ["2026-11-20 09:00:00.5 -03:30", "2026-11-20 12:30:00.5+00"],
    ["2026-11-20 09:00 UTC", "2026-11-20 09:00:00+00"],
    ["2026-11-20 09:00:00+0530", "2026-11-20 03:30:00+00"],
    ["2026-11-20+00", "2026-11-20 00:00:00+00"],
    ["2026-07-01 12:00:00 Europe/Berlin", "2026-07-01 10:00:00+00"],
    ["2026-01-01 12:00:00 America/New_York", "2026-01-01 17:00:00+00"],
  ])("with a zone is that instant: %s", (text, utc) => {
    expect(instant(text, "Asia/Tokyo")).toBe(utc);
  });

  it("without a zone is read as the clocks of the source show it", () => {
    expect(instant("2026-07-01 12:00:00", "Europe/Berlin")).toBe("2026-07-01 10:00:00+00");
    expect(instant("2026-12-01 12:00:00.25", "Europe/Berlin")).toBe("2026-12-01 11:00:00.25+00");
    expect(instant("2026-12-01 12:00:00", "Etc/UTC")).toBe("2026-12-01 12:00:00+00");
  });

  it("that the clocks showed twice is refused with both instants", () => {
    expect(() => instant("2026-10-25 02:30:00", "Europe/Berlin")).toThrow(
      /twice, at 2026-10-25 00:30:00\+00 and 2026-10-25 01:30:00\+00; add the offset/,
    );
    expect(instant("2026-10-25 02:30:00+02", "Europe/Berlin")).toBe("2026-10-25 00:30:00+00");
    expect(instant("2026-10-25 02:30:00+01", "Europe/Berlin")).toBe("2026-10-25 01:30:00+00");
  });

  it("that the clocks skipped is refused", () => {
    expect(() => instant("2026-03-29 02:30:00", "Europe/Berlin")).toThrow(/the clocks of Europe\/Berlin skipped/);
    // The whole of this day was skipped.
    expect(() => instant("2011-12-30 12:00:00", "Pacific/Apia")).toThrow(/skipped/);
  });

  it("without a zone is refused when that of the source is not known", () => {
    expect(() => instant("2026-11-20 09:00:00")).toThrow(/time zone of the source server is not known; add an offset/);
    expect(() => instant("2026-11-20 09:00:00", "<+02>-02")).toThrow(/is not a known one; add an offset/);
  });

  it.each(["now", "yesterday", "2026-13-01", "2026-02-30 10:00", "2026-11-20 25:00", "2026-11-20 10:61", "2026-11-20 10:00:00.1234567Z", "20.11.2026", "2026-11-20 09:00+99", "2026-11-20 09:00 Nowhere/City", "1969-12-31"])(
    "that is none is refused: %s",
    (text) => {
      expect(() => parseTargetTime(text)).toThrow(/^time=/);
    },
  );

  it("keeps microseconds, whatever the zone", () => {
    const zones = fc.constantFrom("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe");
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), fc.integer({ min: 0, max: 999_999 }), zones, (seconds, micros, zone) => {
        const expected = BigInt(seconds) * 1_000_000n + BigInt(micros);
        const written = formatInstant(expected);
        expect(instantOf(parseTargetTime(written), zone)).toBe(expected);
      }),
    );
  });

  it("takes milliseconds with their fraction", () => {
    expect(formatInstant(instantFromMs(1_764_000_000_123.456))).toMatch(/\.123456\+00$/);
  });
});
