import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clientTable, mainTable, serverTable, type AnyOption } from "../../../src/config/index.ts";

function parse(option: AnyOption, text: string): unknown {
  const result = option.kind.parse(text);
  return result.ok ? result.value : "refused";
}

describe("compression", () => {
  test.each([
    ["none", "none", "client"],
    ["gzip", "gzip", "client"],
    ["client-gzip", "gzip", "client"],
    ["server-gzip", "gzip", "server"],
    ["zstd", "zstd", "client"],
    ["client-zstd", "zstd", "client"],
    ["server-zstd", "zstd", "server"],
    ["lz4", "lz4", "client"],
    ["client-lz4", "lz4", "client"],
    ["server-lz4", "lz4", "server"],
    ["bz2", "bzip2", "client"],
    ["client-bz2", "bzip2", "client"],
    ["bzip2", "bzip2", "client"],
    ["client-bzip2", "bzip2", "client"],
    ["ZSTD", "zstd", "client"],
  ])("%s", (text, method, where) => {
    expect(parse(mainTable.compression, text)).toEqual({ method, where });
  });

  test.each(["", "zip", "server-bz2", "server-none", "client-none", "server-", "gzip:9", "gz"])(
    "%j is refused",
    (text) => {
      expect(parse(mainTable.compression, text)).toBe("refused");
    },
  );
});

describe("encryption", () => {
  test.each([
    ["none", "none"],
    ["aes", "aes-256-gcm"],
    ["aes-256", "aes-256-gcm"],
    ["aes-256-gcm", "aes-256-gcm"],
    ["aes-192", "aes-192-gcm"],
    ["aes-128-gcm", "aes-128-gcm"],
    ["aes-256-cbc", "refused"],
    ["on", "refused"],
  ])("%s is %s", (text, value) => {
    expect(parse(mainTable.encryption, text)).toBe(value);
  });
});

describe("retention", () => {
  const policy = (days?: number, weeks?: number, months?: number, years?: number) => ({
    kind: "calendar",
    days,
    weeks,
    months,
    years,
  });
  test.each([
    ["7", policy(7)],
    ["7, 4, 12, 5", policy(7, 4, 12, 5)],
    ["7,-,12", policy(7, undefined, 12)],
    ["7, x, X, 5", policy(7, undefined, undefined, 5)],
    ["7,,12", policy(7, undefined, 12)],
    ["7, , 12", policy(7, undefined, 12)],
    ["7,0,0,0", policy(7)],
    ["-,4", policy(undefined, 4)],
    ["30, 52", policy(30, 52)],
    ["7, 5, 12", "refused"],
    ["7, 4, 13, 1", "refused"],
    ["7, 4, 13", policy(7, 4, 13)],
    ["", "refused"],
    ["-7", "refused"],
    ["7.5", "refused"],
    ["7, 4, 12, 5, 1", "refused"],
    ["a", "refused"],
    ["--", "refused"],
    ["36526", "refused"],
    ["window:14d", { kind: "window", seconds: 14 * 86_400 }],
    ["window: 36h", { kind: "window", seconds: 36 * 3600 }],
    ["Window:90", { kind: "window", seconds: 90 }],
    ["window:0", "refused"],
    ["window:", "refused"],
    ["window:14x", "refused"],
    ["window:99999999999999999d", "refused"],
    ["count:7", { kind: "count", copies: 7 }],
    ["COUNT: 1", { kind: "count", copies: 1 }],
    ["count:0", "refused"],
    ["count:-1", "refused"],
    ["count:1.5", "refused"],
    ["count:100000", "refused"],
    ["count", "refused"],
    ["days:7", "refused"],
  ])("%j", (text, expected) => {
    expect(parse(mainTable.retention, text)).toEqual(expected);
  });
});

describe("bool", () => {
  test.each(["true", "on", "yes", "1", "TRUE", "On"])("%s is true", (text) => {
    expect(parse(mainTable.tls, text)).toBe(true);
  });
  test.each(["false", "off", "no", "0"])("%s is false", (text) => {
    expect(parse(mainTable.tls, text)).toBe(false);
  });
  test.each(["", "2", "y", "enabled", "-1"])("%j is refused", (text) => {
    expect(parse(mainTable.tls, text)).toBe("refused");
  });
});

describe("numbers, durations, sizes", () => {
  test.each([
    ["5432", 5432],
    ["0", "refused"],
    ["65536", "refused"],
    ["4294967296", "refused"],
    ["0x10", "refused"],
    ["1e3", "refused"],
    ["5432x", "refused"],
    ["", "refused"],
  ])("the port %j", (text, value) => {
    expect(parse(serverTable.port, text)).toBe(value);
  });
  test.each([
    ["30", 30],
    ["30s", 30],
    ["5m", 300],
    ["2h", 7200],
    ["7d", 604_800],
    ["1W", 604_800],
    ["5 m", 300],
    ["1y", "refused"],
    ["1.5h", "refused"],
    ["-1", "refused"],
    ["99999999999999999999", "refused"],
  ])("the duration %j", (text, value) => {
    expect(parse(mainTable.blocking_timeout, text)).toBe(value);
  });
  test.each([
    ["1", 1],
    ["10s", 10],
    ["0", "refused"],
    ["11", "refused"],
    ["1m", "refused"],
  ])("a report to the server at least every %j", (text, value) => {
    expect(parse(mainTable.receiver_status_interval, text)).toBe(value);
  });
  test("a time limit that no timer can keep is refused, alone and two together", () => {
    for (const key of [
      "blocking_timeout",
      "authentication_timeout",
      "connect_timeout",
      "receiver_timeout",
    ] as const) {
      expect([key, parse(mainTable[key], "12d")]).toEqual([key, 12 * 86_400]);
      expect([key, parse(mainTable[key], "1036801")]).toEqual([key, "refused"]);
    }
    expect(2 * 12 * 86_400_000).toBeLessThan(2 ** 31);
  });
  test.each([
    ["100", 100],
    ["100B", 100],
    ["256k", 262_144],
    ["256KB", 262_144],
    ["64MB", 67_108_864],
    ["1g", 1_073_741_824],
    ["1T", "refused"],
    ["k", "refused"],
  ])("the size %j", (text, value) => {
    expect(parse(mainTable.log_rotation_size, text)).toBe(value);
  });
  test("a time-out of nothing is refused where it would mean that nothing works", () => {
    expect(parse(mainTable.authentication_timeout, "0")).toBe("refused");
    expect(parse(mainTable.blocking_timeout, "0")).toBe(0);
  });
});

test.each([
  ["debug", "debug"],
  ["debug1", "debug"],
  ["debug2", "trace"],
  ["debug5", "trace"],
  ["WARN", "warn"],
  ["verbose", "refused"],
])("the log level %s is %s", (text, level) => {
  expect(parse(mainTable.log_level, text)).toBe(level);
});

test("a storage engine that is unknown or named twice is refused, not dropped", () => {
  expect(parse(mainTable.storage_engine, "local, s3")).toEqual(["local", "s3"]);
  expect(parse(mainTable.storage_engine, "local, gcs")).toBe("refused");
  expect(parse(mainTable.storage_engine, "local, local")).toBe("refused");
});

test("the client's compression knows gz and bz2", () => {
  expect(parse(clientTable.compression, "gz")).toBe("gzip");
  expect(parse(clientTable.compression, "bz2")).toBe("bzip2");
});

test("the text of a value yields the value again", () => {
  const seconds = fc.nat();
  const bytes = fc.nat({ max: 2 ** 40 });
  fc.assert(
    fc.property(seconds, bytes, (duration, size) => {
      expect(parse(mainTable.verification, mainTable.verification.kind.format(duration))).toBe(duration);
      expect(parse(mainTable.job_memory, mainTable.job_memory.kind.format(size))).toBe(size);
    }),
  );
  for (const option of [...Object.values<AnyOption>(mainTable), ...Object.values<AnyOption>(clientTable)]) {
    if (option.presence.is === "default")
      expect(parse(option, option.kind.format(option.presence.value))).toEqual(option.presence.value);
  }
});
