import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseIni } from "../../../src/config/index.ts";

function values(text: string): Record<string, string> {
  const document = parseIni("f.conf", text);
  expect(document.problems).toEqual([]);
  return Object.fromEntries(
    document.sections.flatMap(({ entries }) => entries.map(({ key, value }) => [key, value] as const)),
  );
}

function problems(text: string): string[] {
  return parseIni("f.conf", text).problems.map(({ line, key, message }) => `${line ?? "-"} ${key ?? "-"} ${message}`);
}

describe("comments", () => {
  test.each([
    ["k = v # comment", "v"],
    ["k = v\t; comment", "v"],
    ["k = v#no comment", "v#no comment"],
    ["k = p;w", "p;w"],
    ['k = "a # b" # comment', "a # b"],
    ["k = 'a ; b'", "a ; b"],
    ['k = x "a # b" y # comment', 'x "a # b" y'],
    ["k = it's # comment", "it's"],
    ["k = it's # the admin's", "it's"],
    ["k = /o'brien/x ; it's his", "/o'brien/x"],
    ["k = #", ""],
    ["k = # comment", ""],
    ["k =", ""],
    ["k =#v", "#v"],
    ["k = a = b", "a = b"],
    ['k = ""', ""],
    ["k = '\"'", '"'],
  ])("%s has the value %j", (line, value) => {
    expect(values(`[s]\n${line}\n`)).toEqual({ k: value });
  });

  test("begin at the start of a line, also behind white space and behind a header", () => {
    expect(values("# one\n  ; two\n[s] # three\nk = v\n\t# four\n")).toEqual({ k: "v" });
  });
});

test("a value may be as long as it likes", () => {
  const long = "x".repeat(200_000);
  expect(values(`[s]\nk = ${long}\n`)).toEqual({ k: long });
});

test("line ends of Windows and a byte order mark are understood", () => {
  expect(values("\uFEFF[s]\r\nk = v\r\n")).toEqual({ k: "v" });
});

test("each value knows where it stands, quotes included, so that it can be replaced alone", () => {
  const text = '[s]\n  key\t=  "a b"   # why\n';
  const [section] = parseIni("f.conf", text).sections;
  const [entry] = section?.entries ?? [];
  const line = text.split("\n")[1] ?? "";
  expect(entry).toMatchObject({ section: "s", key: "key", line: 2, quote: '"' });
  expect(line.slice(entry?.from, entry?.to)).toBe('"a b"');
});

describe("what is wrong is reported with its line", () => {
  test("a line that is nothing", () => {
    expect(problems("[s]\nnonsense\n= v\n[t\n")).toEqual([
      "2 - expected [section], key = value, or a comment that begins with # or ;",
      "3 - expected [section], key = value, or a comment that begins with # or ;",
      "4 - expected [section], key = value, or a comment that begins with # or ;",
    ]);
  });

  test("a key before the first section", () => {
    expect(problems("k = v\n[s]\n")).toEqual(["1 k expected a section such as [pgmoneta] before the first key"]);
  });

  test("a key that comes twice, and a section that comes twice, naming the first line", () => {
    expect(problems("[s]\nk = 1\nk = 2\n[t]\nk = 3\n[s]\nk = 4\n")).toEqual([
      "3 k expected each key once in a section, but it is set in line 2 already",
      "6 - expected each section once, but [s] begins in line 1 already",
      "7 k expected each key once in a section, but it is set in line 2 already",
    ]);
  });

  test("a quote that is not closed, or text behind the closing one", () => {
    expect(problems("[s]\na = \"x\nb = 'x' y\nc = '\n")).toEqual([
      '2 a expected the closing " at the end of the value',
      "3 b expected the closing ' at the end of the value",
      "4 c expected the closing ' at the end of the value",
    ]);
  });

  test("a section without a name", () => {
    expect(problems("[ ]\n")).toEqual(["1 - expected the name of a section between the brackets"]);
  });
});

test("where names of sections do not matter, keys are one set", () => {
  const document = parseIni("f.conf", "a = 1\n[x]\nb = 2\n[x]\na = 3\n", { sectionsMatter: false });
  expect(document.sections.flatMap(({ entries }) => entries.map(({ key }) => key))).toEqual(["a", "b"]);
  expect(document.problems.map(({ line }) => line)).toEqual([5]);
});

test("any quoted value without that quote and line ends comes back as it was", () => {
  const value = fc.string({ unit: "grapheme" }).filter((text) => !/["\n\r]/.test(text));
  fc.assert(
    fc.property(value, (text) => {
      expect(values(`[s]\nk = "${text}" # comment\n`)).toEqual({ k: text });
    }),
  );
});

test("no text makes the parser throw, and all its lines are kept", () => {
  const line = fc.oneof(fc.string(), fc.constantFrom("[a]", "[b", "k = v", "k = 'x", "#", "=", '"=" = "#"'));
  fc.assert(
    fc.property(fc.array(line.map((text) => text.replace(/[\r\n]/g, ""))), (lines) => {
      const document = parseIni("f.conf", lines.join("\n"));
      expect(document.lines.join("\n")).toBe(lines.join("\n").replace(/^\uFEFF/, ""));
      for (const { line: number } of document.problems) expect(number).toBeLessThanOrEqual(lines.length);
    }),
  );
});
