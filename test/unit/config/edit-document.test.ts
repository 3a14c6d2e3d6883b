import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseIni, removeValue, setValue, valueIn } from "../../../src/config/index.ts";

const file = "/etc/pgmoneta/pgmoneta.conf";
const text = `# What this is
[pgmoneta]
host = localhost   # where
workers = 2
; retention = 3
retention="7, 4"

# The first one
[primary]
host = db1
port = 5432

# The last one
[other]
host = 'db2'`;

const set = (section: string, key: string, value: string, from = text): string => setValue(file, from, { section, key }, value);
const changedLines = (one: string, other: string): string[] => {
  const before = one.split("\n");
  return other.split("\n").filter((line) => !before.includes(line));
};

describe("setting a value", () => {
  it.each([
    ["pgmoneta", "host", "*", "host = *   # where"],
    ["pgmoneta", "retention", "14", "retention=14"],
    ["other", "host", "db3", "host = db3"],
    ["primary", "port", "5433", "port = 5433"],
  ])("[%s] %s changes that value and nothing else of the file", (section, key, value, line) => {
    const edited = set(section, key, value);
    expect(changedLines(text, edited)).toEqual([line]);
    expect(edited.split("\n")).toHaveLength(text.split("\n").length);
    expect(set(section, key, value, edited)).toBe(edited);
  });

  it("adds a key behind the last one of its section, before what announces the next", () => {
    expect(set("primary", "user", "repl")).toContain("port = 5432\nuser = repl\n\n# The last one\n[other]");
    expect(set("other", "port", "1")).toMatch(/host = 'db2'\nport = 1$/);
  });

  it("adds a section at the end", () => {
    expect(set("third", "host", "db3")).toMatch(/host = 'db2'\n\n\[third\]\nhost = db3\n$/);
    expect(set("third", "host", "db3", "")).toBe("[third]\nhost = db3\n");
  });

  it("keeps the ends of lines and a byte order mark", () => {
    const windows = "\uFEFF[pgmoneta]\r\nhost = a\r\nport = 1\r\n";
    expect(set("pgmoneta", "host", "b", windows)).toBe("\uFEFF[pgmoneta]\r\nhost = b\r\nport = 1\r\n");
    expect(set("pgmoneta", "user", "c", windows)).toBe("\uFEFF[pgmoneta]\r\nhost = a\r\nport = 1\r\nuser = c\r\n");
  });

  it("gives a value that was empty its place before the comment", () => {
    expect(set("a", "key", "1", "[a]\nkey = # nothing yet\n")).toBe("[a]\nkey = 1 # nothing yet\n");
  });

  it("writes what would be a comment, or white space, between quotes", () => {
    expect(set("pgmoneta", "host", "a # b")).toContain('host = "a # b"   # where');
    expect(set("pgmoneta", "host", 'a "b" # c')).toContain(`host = 'a "b" # c'   # where`);
    expect(set("pgmoneta", "host", " ")).toContain('host = " "');
  });

  it.each([
    ["a line of its own", "host", "a\nport = 1"],
    ["both quotes and a comment", "host", `'" # '"`],
    ["a name that is none", "a = b", "1"],
    ["a comment for a name", "# a", "1"],
  ])("refuses %s", (_what, key, value) => {
    expect(() => set("pgmoneta", key, value)).toThrow(expect.objectContaining({ code: "CONFIGURATION_UNWRITABLE" }));
  });

  it("is read back as it was set, whatever it is, or is refused; everything else stays", () => {
    const words = fc.constantFrom("a", " ", "#", ";", "=", "[", "]", '"', "'", "\\", "ä", "\t", "1");
    fc.assert(
      fc.property(fc.array(words, { maxLength: 8 }).map((parts) => parts.join("")), fc.constantFrom("host", "new"), (value, key) => {
        let edited: string;
        try {
          edited = set("primary", key, value);
        } catch {
          return;
        }
        const [before, after] = [parseIni(file, text), parseIni(file, edited)];
        expect(valueIn(after, { section: "primary", key })).toBe(value);
        expect(after.problems).toEqual([]);
        for (const section of before.sections)
          for (const entry of section.entries)
            if (section.name !== "primary" || entry.key !== key) expect(valueIn(after, { section: section.name, key: entry.key })).toBe(entry.value);
        for (const line of text.split("\n")) if (line.startsWith("#") || line.startsWith(";")) expect(edited.split("\n")).toContain(line);
      }),
    );
  });
});

describe("removing", () => {
  it("takes a key with its line", () => {
    expect(removeValue(file, text, { section: "pgmoneta", key: "workers" })).toBe(text.replace("workers = 2\n", ""));
  });

  it("takes a section, and leaves the comments of the next one", () => {
    expect(removeValue(file, text, { section: "primary" })).toBe(text.replace("[primary]\nhost = db1\nport = 5432\n\n", ""));
    expect(removeValue(file, text, { section: "other" })).toBe(text.replace("[other]\nhost = 'db2'", ""));
  });

  it.each([{ section: "third" }, { section: "primary", key: "user" }])("says that %o is not there", (place) => {
    expect(() => removeValue(file, text, place)).toThrow(expect.objectContaining({ code: "CONFIGURATION_NOT_SET" }));
  });
});
