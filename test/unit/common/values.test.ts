import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createBackoff,
  createStateMachine,
  formatByteSize,
  formatDuration,
  parseByteSize,
  parseDuration,
  withoutSecrets,
} from "../../../src/common/index.ts";

describe("sizes", () => {
  it.each([
    ["0", 0],
    ["10B", 10],
    ["256k", 262_144],
    ["16 MB", 16_777_216],
    ["1G", 1_073_741_824],
  ])("reads %s", (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });
  it.each(["", "k", "-1", "1.5G", "1T", "10 000", "0x10", "99999999999999999G"])("refuses %j", (text) => {
    expect(() => parseByteSize(text)).toThrowError(/is not a size/);
  });
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.00 kB"],
    [2_072_346_624, "1.93 GB"],
    [16_777_216, "16.0 MB"],
  ])("writes %d for people", (bytes, text) => {
    expect(formatByteSize(bytes)).toBe(text);
  });
});

describe("durations", () => {
  it.each([
    ["30", 30],
    ["5s", 5],
    ["10m", 600],
    ["2h", 7200],
    ["7d", 604_800],
    ["1W", 604_800],
  ])("reads %s", (text, value) => {
    expect(parseDuration(text)).toBe(value);
  });
  it.each(["", "s", "-5s", "1.5h", "5 minutes", "1y"])("refuses %j", (text) => {
    expect(() => parseDuration(text)).toThrowError(/is not a duration/);
  });
  it.each([
    [850, "850 ms"],
    [12_440, "12.4 s"],
    [59_960, "1 min 00 s"],
    [185_000, "3 min 05 s"],
    [3_780_000, "1 h 03 min"],
    [187_200_000, "2 d 04 h"],
  ])("writes %d ms for people", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

it("backs off from the first wait to the cap and starts again after a success", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), (random) => {
      const backoff = createBackoff({ firstMs: 100, factor: 2, maxMs: 1000, jitter: 0.5, random: () => random });
      const waits = Array.from({ length: 8 }, () => backoff.next());
      const share = 1 - 0.5 * random;
      expect(waits).toEqual([100, 200, 400, 800, 1000, 1000, 1000, 1000].map((wait) => Math.round(wait * share)));
      expect(backoff.attempts).toBe(8);
      backoff.reset();
      expect(backoff.next()).toBe(Math.round(100 * share));
    }),
  );
});

it("follows the table of a state machine and refuses an event the state does not know", () => {
  const seen: string[] = [];
  const door = createStateMachine<"open" | "closed", "push" | "pull">(
    { open: { push: "closed" }, closed: { pull: "open" } },
    "open",
    (from, event, to) => seen.push(`${from} ${event} ${to}`),
  );
  expect(door.accepts("pull")).toBe(false);
  expect(door.handle("push")).toBe("closed");
  expect(() => door.handle("push")).toThrowError(expect.objectContaining({ code: "STATE_TRANSITION" }));
  expect(door.state).toBe("closed");
  expect(seen).toEqual(["open push closed"]);
});

describe("what is shown of a command line (J02)", () => {
  it.each([
    ["-P hush ping", "-P *** ping"],
    ["-h db -Phush -U alice ping", "-h db -P*** -U alice ping"],
    ["-vP hush ping", "-vP *** ping"],
    ["--password hush ping", "--password *** ping"],
    ["--password=hush ping", "--password=*** ping"],
    ["ping -P", "ping -P"],
    ["-P -P hush ping", "-P *** *** ping"],
    ["conf set s3_secret_access_key hush --save", "conf set ***"],
    ["-P hush conf --verbose set x hush", "-P *** conf --verbose set ***"],
    ["-F json conf set /etc/pgmoneta.conf pgmoneta notify_slack hush", "-F json conf set ***"],
  ])("of %s is %s", (line, shown) => {
    expect(withoutSecrets(line.split(" "))?.join(" ")).toBe(shown);
  });

  it("is all of it where there is no password", () => {
    for (const line of ["ping", "-p 5001 -h db status", "--password-file /f ping", "conf get workers", "conf set", ""]) expect(withoutSecrets(line.split(" "))).toBeUndefined();
  });

  it("is never the password, wherever the option stands", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom<string>("-v", "-F", "json", "ping", "-L/tmp/P", "conf", "get", "--save")), fc.nat(8), fc.constantFrom("-P", "--password"), (words, at, option) => {
        const line = words.toSpliced(at, 0, option, "hush");
        expect(withoutSecrets(line)?.join(" ")).not.toContain("hush");
      }),
    );
  });
});
