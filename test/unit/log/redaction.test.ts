import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import {
  createLogger,
  formatJsonLine,
  formatTextLine,
  redact,
  registerSecret,
  type LogRecord,
} from "../../../src/log/index.ts";

const forget: (() => void)[] = [];
const register = (secret: string): void => {
  forget.push(registerSecret(secret));
};
afterEach(() => {
  for (const each of forget.splice(0)) each();
});

test("a registered secret never reaches a line, in the message or in a field, text or JSON", () => {
  const secret = fc
    .string({ minLength: 4, unit: "grapheme" })
    .filter((text) => !/\p{Cs}/u.test(text) && !"***".includes(text));
  fc.assert(
    fc.property(secret, fc.string(), fc.string(), (word, before, after) => {
      // What surrounds the secret must not make up another one by itself.
      fc.pre(!before.includes(word) && !after.includes(word));
      const undo = registerSecret(word);
      try {
        const records: LogRecord[] = [];
        createLogger(["t"], "info", (record) => records.push(record)).info(`${before}${word}${after}`, {
          field: `${before}${word}`,
        });
        const [record] = records;
        if (record === undefined) throw new Error("the line is missing");
        expect(record.message).not.toContain(word);
        expect(record.fields["field"]).not.toContain(word);
      } finally {
        undo();
      }
    }),
  );
});

describe("a secret is found in the forms that programs give it", () => {
  test.each([
    ["it's a \\ secret", "ALTER ROLE x PASSWORD 'it''s a \\ secret'"],
    ["it's a \\ secret", "password='it\\'s a \\\\ secret'"],
    ['say "hello"\ttab', String.raw`{"p":"say \"hello\"\ttab"}`],
    ["p@ss/word", "postgres://u:p%40ss%2Fword@h"],
  ])("%j in %j", (secret, text) => {
    register(secret);
    const clean = redact(text);
    expect(clean).toContain("***");
    expect(clean).not.toMatch(/secret|hello|p%40ss/);
  });
});

describe("passwords of connection strings need no registration", () => {
  test.each([
    ["host=a password=hunter2 port=5", "host=a password=*** port=5"],
    ["password = 'a b\\' c' host=x", "password = *** host=x"],
    ['PASSWORD="a b"', "PASSWORD=***"],
    ["passphrase=abc,user=x", "passphrase=***,user=x"],
    ["connecting to postgresql://repl:hunter2@host/db", "connecting to postgresql://repl:***@host/db"],
    ["password authentication failed for user x", "password authentication failed for user x"],
    ["http://host:80/a@b", "http://host:80/a@b"],
  ])("%s", (text, clean) => {
    expect(redact(text)).toBe(clean);
  });
});

describe("a password that is an ordinary word", () => {
  test.each([
    ["primary", "the server is a primary again", "the server is a primary again"],
    ["port", "what is reported stays, what is supported does not", "what is reported stays, what is sup***ed does not"],
    ["primary", "ALTER ROLE x PASSWORD 'primary'", "ALTER ROLE x PASSWORD '***'"],
    ["primary", "Password primary is too short", "Password *** is too short"],
    ["primary", "no such value: primary", "no such value: ***"],
    ["primary", "password=primary host=primary", "password=*** host=***"],
    ["primary", "primary@host and u:primary@host", "***@host and u:***@host"],
    ["primary", '{"p":"primary"}', '{"p":"***"}'],
    ["primary", "primary", "***"],
    ["Primary1", "a Primary1 and a primary", "a *** and a primary"],
    ["hunter", "the hunter and hunters of huntercatcher", "the *** and ***s of ***catcher"],
    ["streaming", "xstreaming and streaming2", "x*** and streaming2"],
  ])("%s in: %s", (secret, text, clean) => {
    register(secret);
    expect(redact(text)).toBe(clean);
  });
});

test("a secret within another one leaves no rest of the longer", () => {
  register("pass");
  register("passport");
  expect(redact("passport pass")).toBe("*** ***");
});

test("a secret that two have is forgotten when both are gone, and once only each", () => {
  const first = registerSecret("shared secret");
  const second = registerSecret("shared secret");
  first();
  first();
  expect(redact("shared secret")).toBe("***");
  second();
  expect(redact("shared secret")).toBe("shared secret");
});

test("texts of fewer than four characters are left alone, they protect nothing", () => {
  register("abc");
  expect(redact("abc")).toBe("abc");
});

const record: LogRecord = {
  time: Date.UTC(2026, 10, 20, 9, 1, 42, 123),
  level: "warn",
  scope: ["receiver", "primary"],
  message: "the connection was lost",
  fields: { lsn: "16/B374D848", bytes: 12n, missing: undefined, reason: "it's gone", ok: false, none: null },
  pid: 42,
};

describe("a text line", () => {
  test("has prefix, level, scope, message and fields", () => {
    expect(formatTextLine(record, "[%%]")).toBe(
      '[%] WARN  receiver/primary: the connection was lost lsn=16/B374D848 bytes=12 reason="it\'s gone" ok=false none=null',
    );
  });
  test("cannot be forged by what a server says", () => {
    const line = formatTextLine(
      { ...record, message: "a\n2026 FATAL forged\r\nb\u001b[31m\u0007", fields: { x: "1\n2" } },
      "p",
    );
    expect(
      line
        .split("\n")
        .slice(1)
        .every((rest) => rest.startsWith("\t")),
    ).toBe(true);
    expect(line).not.toMatch(/[\u001b\u0007\r]/);
    expect(line).toContain("\\x1b[31m\\x07");
  });
});

test("a JSON line is one object with exact numbers", () => {
  const line = formatJsonLine({ ...record, message: "a\nb", fields: { lsn: 2n ** 60n } });
  expect(line).not.toContain("\n");
  expect(JSON.parse(line)).toEqual({
    time: "2026-11-20T09:01:42.123Z",
    level: "warn",
    scope: ["receiver", "primary"],
    message: "a\nb",
    pid: 42,
    fields: { lsn: "1152921504606846976" },
  });
});

test("levels: what is less severe than the threshold is not sent, also after a change and in derived loggers", () => {
  const lines: string[] = [];
  const logger = createLogger(["a"], "warn", ({ level, scope }) => lines.push(`${scope.join("/")} ${level}`));
  const child = logger.child("b");
  const all = (): void => {
    for (const each of ["fatal", "error", "warn", "info", "debug", "trace"] as const) child[each]("x");
  };
  all();
  expect(lines.splice(0)).toEqual(["a/b fatal", "a/b error", "a/b warn"]);
  logger.setLevel("trace");
  all();
  expect(lines).toHaveLength(6);
});
