import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { forecastFull, type RoomSample } from "../../../src/supervisor/forecast.ts";

const second = 1000;
const minute = 60 * second;
const gigabyte = 1024 ** 3;

/** One sample every 30 s up to the moment 0; `free` by milliseconds before it. */
function observed(minutes: number, free: (ago: number) => number): RoomSample[] {
  const samples: RoomSample[] = [];
  for (let at = -minutes * minute; at <= 0; at += 30 * second) samples.push({ at, free: free(-at) });
  return samples;
}

const steady = (minutes: number, now: number, perMinute: number): RoomSample[] =>
  observed(minutes, (ago) => now + (ago / minute) * perMinute);

describe("the forecast", () => {
  it("of a steady growth is exact, whatever its rate and however long it was watched", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 180 }), fc.double({ min: 0.001, max: 1e6, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (minutes, perMinute, share) => {
        // Anything up to what a window of this length is believed for.
        const window = Math.min(10, minutes);
        const fullInMinutes = share * 11.9 * window;
        const forecast = forecastFull(steady(minutes, fullInMinutes * perMinute, perMinute), 0);
        expect(forecast?.fullInMs).toBeCloseTo(fullInMinutes * minute, -1);
        expect((forecast?.perHour ?? 0) / (60 * perMinute)).toBeCloseTo(1, 6);
      }),
    );
  });

  it("is the same later, but for the time that has passed", () => {
    const samples = steady(60, 100 * gigabyte, gigabyte);
    const at = (now: number): number => forecastFull(samples, now)?.fullInMs ?? Number.NaN;
    expect(at(0)).toBeCloseTo(100 * minute, -1);
    expect(at(20 * second)).toBeCloseTo(100 * minute - 20 * second, -1);
  });

  it("does not care about a step in the outer fifths of its window, up or down, however large: a backup came or went", () => {
    const ago = fc.oneof(fc.integer({ min: 11, max: 24 }), fc.integer({ min: 96, max: 119 }));
    fc.assert(
      fc.property(ago, fc.integer({ min: -500, max: 500 }), (when, bytes) => {
        // A gigabyte a minute, 300 left: five hours.
        const samples = observed(120, (before) => (300 + before / minute + (when * minute < before ? bytes : 0)) * gigabyte);
        expect((forecastFull(samples, 0)?.fullInMs ?? 0) / minute).toBeCloseTo(300, 0);
      }),
    );
  });

  it("believes a step nowhere that takes less than a fifteenth of what is left", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 119 }), fc.integer({ min: 1, max: 20 }), (when, bytes) => {
        const samples = observed(120, (before) => (300 + (when * minute < before ? bytes : 0)) * gigabyte);
        expect(forecastFull(samples, 0)).toBeUndefined();
      }),
    );
  });

  it("is none while nothing grows, while too little was seen, and for a moment too far away", () => {
    expect(forecastFull(observed(120, () => gigabyte), 0)).toBeUndefined();
    expect(forecastFull(observed(120, (ago) => gigabyte - ago), 0)).toBeUndefined();
    expect(forecastFull(steady(1, gigabyte, gigabyte), 0)).toBeUndefined();
    expect(forecastFull([], 0)).toBeUndefined();
    // Twelve times as long as it was watched, and a day at most.
    expect(forecastFull(steady(5, 61, 1), 0)).toBeUndefined();
    expect(forecastFull(steady(5, 59, 1), 0)).toBeDefined();
    expect(forecastFull(steady(600, 24 * 60 + 1, 1), 0)).toBeUndefined();
    expect(forecastFull(steady(600, 24 * 60 - 1, 1), 0)).toBeDefined();
  });

  it("sees segments that come now and then", () => {
    // One of 16 MB every six minutes: most neighbouring samples are the same.
    const samples = observed(120, (ago) => 160 + Math.floor(ago / (6 * minute)) * 16);
    const fullIn = (forecastFull(samples, 0)?.fullInMs ?? 0) / minute;
    expect(fullIn).toBeGreaterThan(50);
    expect(fullIn).toBeLessThan(75);
  });

  it("notices within minutes that it goes quicker than before", () => {
    const samples = observed(120, (ago) => (ago > 6 * minute ? 5000 : 2000 + (ago / minute) * 500));
    expect((forecastFull(samples, 0)?.fullInMs ?? Infinity) / minute).toBeLessThan(6);
  });

  it("is a moment and a rate for whatever was seen, in order or not", () => {
    const sample = fc.record({ at: fc.integer({ min: -200 * minute, max: minute }), free: fc.integer({ min: 0, max: 1e15 }) });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 300 }), (samples) => {
        samples.sort((a, b) => a.at - b.at);
        const forecast = forecastFull(samples, 0);
        if (forecast === undefined) return;
        expect(forecast.fullInMs).toBeGreaterThanOrEqual(0);
        expect(forecast.fullInMs).toBeLessThanOrEqual(24 * 60 * minute);
        expect(forecast.perHour).toBeGreaterThan(0);
      }),
    );
  });
});
