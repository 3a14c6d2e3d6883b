import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatSettingsFile, parseSettingsFile, quoteSettingValue, readSettings } from "../../../src/postgres/index.ts";

const only = (text: string) => {
  const [line, ...rest] = parseSettingsFile(text);
  expect(rest).toEqual([]);
  return line;
};

describe("lines of postgresql.conf", () => {
  it.each([
    ["port = 5432", "port", "5432"],
    ["port=5432", "port", "5432"],
    ["port 5432", "port", "5432"],
    ["  Port\t=\t5432  ", "port", "5432"],
    ["port = 5432\r", "port", "5432"],
    ["shared_buffers = 128MB# a comment", "shared_buffers", "128MB"],
    ["x = 0x1F", "x", "0x1F"],
    ["seq_page_cost = 1.5e-3", "seq_page_cost", "1.5e-3"],
    ["x = .5", "x", ".5"],
    ["x = -1", "x", "-1"],
    ["x = on", "x", "on"],
    ["log_directory = pg_log/x-1:y", "log_directory", "pg_log/x-1:y"],
    ["listen_addresses = ''", "listen_addresses", ""],
    ["x = 'it''s \\'quoted\\' # not a comment'", "x", "it's 'quoted' # not a comment"],
    ["x = 'a\\\\b\\tc\\nd\\x'", "x", "a\\b\tc\ndx"],
    ["x = '\\101\\60'", "x", "A0"],
    ["x = '\\303\\244'", "x", "ä"],
    ["x = '\\377'", "x", "\udcff"],
    ["x'y'", "x", "y"],
    ["x+1.5", "x", "+1.5"],
    ["x.y_1 = 'z'", "x.y_1", "z"],
  ])("set a value: %j", (text, name, value) => {
    expect(only(text)).toMatchObject({ kind: "setting", number: 1, raw: text, name, value });
  });

  it.each([
    ["include 'extra.conf'", "include", "extra.conf"],
    ["include_if_exists = 'extra.conf' # maybe", "include_if_exists", "extra.conf"],
    ["INCLUDE_DIR 'conf.d'", "include_dir", "conf.d"],
  ])("include other files: %j", (text, kind, value) => {
    expect(only(text)).toMatchObject({ kind, value });
  });

  it.each([
    "port",
    "port =",
    "= 5432",
    "port = 5432 5433",
    "port = = 5432",
    "x = 'open",
    "x = 'a' b",
    "1x = 2",
    "x = a b",
    "x-1",
    "x = 'a'b'",
  ])("that PostgreSQL would refuse are seen: %j", (text) => {
    expect(only(text)?.kind).toBe("invalid");
    expect(() => readSettings(`a = 1\n${text}\n`, "postgresql.conf")).toThrow(
      expect.objectContaining({ code: "POSTGRES_SETTINGS_INVALID", message: "postgresql.conf, line 2: not a setting" }),
    );
  });

  it("keep their comments and numbers", () => {
    const text = "# head\n\nport = 1 # one\n   # indented\nport = 2";
    expect(parseSettingsFile(text).map((line) => [line.kind, line.number])).toEqual([
      ["comment", 1],
      ["empty", 2],
      ["setting", 3],
      ["comment", 4],
      ["setting", 5],
    ]);
    expect(parseSettingsFile(text)[2]).toMatchObject({ comment: "# one" });
    expect(readSettings(text, "x")).toEqual(new Map([["port", "2"]]));
  });

  it("put together are the file, whatever it holds", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => formatSettingsFile(parseSettingsFile(text)) === text),
    );
    const words = fc.constantFrom("port", " ", "=", "'", "\\", "#", "\n", "\r\n", "5", "include", "''", "\t");
    fc.assert(
      fc.property(
        fc.array(words),
        (pieces) => formatSettingsFile(parseSettingsFile(pieces.join(""))) === pieces.join(""),
      ),
    );
  });

  it("give back any value that was quoted", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }).filter((value) => !value.includes("\0")),
        (value) => {
          expect(only(`x = ${quoteSettingValue(value)}`)).toMatchObject({ kind: "setting", value });
        },
      ),
    );
    expect(quoteSettingValue("it's \\ here\n")).toBe("'it''s \\\\ here\\n'");
    expect(() => quoteSettingValue("\0")).toThrow(expect.objectContaining({ code: "POSTGRES_SETTINGS_INVALID" }));
  });
});
