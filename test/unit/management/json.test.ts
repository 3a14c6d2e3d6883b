import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decimal, encodeJson, isDecimal, parseJson } from "../../../src/management/index.ts";
import type { JsonValue } from "../../../src/management/index.ts";

const values = fc.letrec<{ value: JsonValue; list: JsonValue; object: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string({ unit: "binary" }),
    fc.integer(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.boolean(),
    fc.constant(null),
    fc.integer({ min: -1e9, max: 1e9 }).map((n) => decimal(n / 64)),
    tie("list"),
    tie("object"),
  ),
  list: fc.array(tie("value"), { minLength: 1, maxLength: 4 }),
  object: fc.dictionary(fc.string(), tie("value"), { minKeys: 1, maxKeys: 4 }),
}));

describe("JSON of the protocol", () => {
  it("reads back what it wrote, whatever it holds", () => {
    fc.assert(
      fc.property(values.value, fc.constantFrom(0, 1, 2), (value, indent) => {
        const text = encodeJson(value, indent);
        expect(encodeJson(parseJson(text))).toBe(encodeJson(value));
        JSON.parse(text);
      }),
    );
  });

  it("agrees with JSON.parse on every text that both read", () => {
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false }), (text) => {
        const plain = (value: JsonValue): unknown => {
          if (isDecimal(value)) return value.value;
          if (Array.isArray(value)) return (value as readonly JsonValue[]).map(plain);
          if (typeof value === "bigint") return Number(value);
          if (typeof value !== "object" || value === null) return value;
          return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
        };
        expect(plain(parseJson(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it("never fails otherwise than with its own error", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.json().map((t) => t.slice(1)),
          fc.json().map((t) => t.slice(0, -1)),
        ),
        (text) => {
          try {
            parseJson(text);
          } catch (error) {
            expect(error).toMatchObject({ code: "MANAGEMENT_DOCUMENT_INVALID" });
          }
        },
      ),
    );
  });

  it("keeps the point of a number with a fraction and the digits of a large one", () => {
    expect(encodeJson(parseJson('{"a":0.0,"b":18446744073709551615,"c":-0.5e1}'))).toBe(
      '{"a":0.000000,"b":18446744073709551615,"c":-5.000000}',
    );
  });

  it("writes keys in the order of their bytes and nothing as {}", () => {
    expect(encodeJson({ b: [], a: {}, B: [1], é: 1 })).toBe('{"B":[1],"a":{},"b":{},"é":1}');
  });

  it("accepts a control character that a C writer left in a text", () => {
    expect(parseJson('{"a":"x\ty\\n"}')).toEqual({ a: "x\ty\n" });
  });

  it.each([
    ['{"a":1,"a":2}', "no second"],
    ["[".repeat(100_000), "no more than 32 levels"],
    ['{"a":1}x', "the end"],
    ['{"a":1,}', "a key"],
    ["[1 2]", '","'],
    ['"\\x"', "escape"],
    ['"abc', "closing"],
    ["01", "the end"],
    ["", "a value"],
  ])("refuses %s", (text, expected) => {
    expect(() => parseJson(text)).toThrow(expected);
  });
});
