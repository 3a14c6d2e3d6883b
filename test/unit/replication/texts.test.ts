import { describe, expect, test } from "vitest";
import { quoteIdentifier, quoteLiteral, sqlStateOf } from "../../../src/replication/index.ts";
import { quoteReplicationLiteral } from "../../../src/replication/quoting.ts";
import { serverError } from "../../../src/replication/server-error.ts";
import { parseSizeSetting, parseTimeSetting } from "../../../src/replication/setting-value.ts";

describe("quoting", () => {
  test("keeps quotes and backslashes, in SQL and in replication commands", () => {
    expect(quoteLiteral("it's")).toBe("'it''s'");
    expect(quoteLiteral("a\\'b")).toBe("E'a\\\\''b'");
    expect(quoteReplicationLiteral("a\\'b")).toBe("'a\\''b'");
    expect(quoteIdentifier('a"B')).toBe('"a""B"');
  });

  test("refuses a zero byte", () => {
    for (const quote of [quoteLiteral, quoteReplicationLiteral, quoteIdentifier]) {
      expect(() => quote("a\0b")).toThrow(expect.objectContaining({ code: "CONNECTION_MISUSE" }));
    }
  });
});

describe("errors of a server", () => {
  test.each([
    ["55006", 'replication slot "x" is active for PID 1', "SLOT_ACTIVE", true],
    ["58P01", "requested WAL segment 000000010000000000000001 has already been removed", "SERVER_WAL_REMOVED", false],
    ["58P01", 'could not open file "base/5/1259": No such file or directory', "SERVER_ERROR", false],
    ["XX000", "requested WAL segment 000000010000000000000001 has already been removed", "SERVER_WAL_REMOVED", false],
    ["57P03", "the database system is starting up", "SERVER_UNAVAILABLE", true],
    ["53300", "too many connections", "SERVER_UNAVAILABLE", true],
    ["28P01", "password authentication failed", "AUTH_FAILED", false],
    ["42601", "syntax error", "SERVER_ERROR", false],
  ])("%s becomes its entry of the catalogue", (sqlstate, message, code, retryable) => {
    const error = serverError({ severity: "ERROR", sqlstate, message, detail: "more" });
    expect(error).toMatchObject({ code, retryable });
    expect(error.message).toContain(message);
    expect(error.message).toContain("more");
    expect(sqlStateOf(error)).toBe(sqlstate);
  });
});

describe("settings as SHOW prints them", () => {
  test("have units", () => {
    expect(["16MB", "1GB", "8192", "-1", "64kB"].map(parseSizeSetting)).toEqual([16_777_216, 1_073_741_824, 8192, -1, 65_536]);
    expect(["1min", "0", "10s", "500ms", "2h", "1d"].map(parseTimeSetting)).toEqual([60_000, 0, 10_000, 500, 7_200_000, 86_400_000]);
  });

  test("of an unknown form are refused", () => {
    for (const text of ["", "1XB", "MB", "1 GB"]) expect(() => parseSizeSetting(text)).toThrow(expect.objectContaining({ code: "SERVER_PROTOCOL" }));
  });
});
