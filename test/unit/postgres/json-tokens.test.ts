import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createJsonTokenReader } from "../../../src/postgres/json-tokens.ts";
import { postgresErrors } from "../../../src/postgres/index.ts";

type Json = null | boolean | number | string | Json[] | Map<string, Json>;

/** Builds the value again from the tokens. */
function read(pieces: readonly Uint8Array[], limits = { textBytes: 10_000, depth: 64 }): Json {
  const stack: { value: Json[] | Map<string, Json>; key: string }[] = [{ value: [], key: "" }];
  const add = (value: Json): void => {
    const top = stack.at(-1);
    if (top === undefined) throw new Error("a value after the end");
    if (Array.isArray(top.value)) top.value.push(value);
    else top.value.set(top.key, value);
  };
  const reader = createJsonTokenReader(
    {
      begin(kind) {
        const value = kind === "array" ? [] : new Map<string, Json>();
        add(value);
        stack.push({ value, key: "" });
      },
      end: () => void stack.pop(),
      key(name) {
        const top = stack.at(-1);
        if (top !== undefined) top.key = name;
      },
      text: add,
      number: (written) => {
        add(Number(written));
      },
      literal: add,
    },
    limits,
    (why, offset) => postgresErrors.manifestDamaged(`${offset}: ${why}`),
  );
  for (const piece of pieces) {
    const copy = Uint8Array.from(piece);
    reader.write(copy);
    // A piece is valid during the call only.
    copy.fill(0x7d);
  }
  reader.finish();
  return (stack[0]?.value as Json[])[0] ?? null;
}

const whole = (text: string | Buffer) => read([Buffer.from(text as string)]);
const toMaps = (value: unknown): Json => {
  if (Array.isArray(value)) return value.map(toMaps);
  if (typeof value === "object" && value !== null) {
    return new Map(Object.entries(value).map(([key, inner]) => [key, toMaps(inner)]));
  }
  return value as Json;
};
const damaged = expect.objectContaining({ code: "BACKUP_MANIFEST_DAMAGED" }) as Error;
const wellFormed = (text: string) => !/\p{Surrogate}/u.test(text);

describe("reading JSON in pieces", () => {
  it("finds what JSON.parse finds", () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: "binary" }).filter(wellFormed), (text) => {
        expect(whole(text)).toEqual(toMaps(JSON.parse(text)));
      }),
      { numRuns: 500 },
    );
  });

  it("finds the same wherever the document is cut, even everywhere", () => {
    const text = '{"a\\u00e4\\"\\\\" : [1, -2.5e+3, true ,null,"x\\ud83d\\ude00ü",{}], "b":[[]] , "c":0}';
    const expected = whole(text);
    const bytes = Buffer.from(text);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      expect(read([bytes.subarray(0, cut), bytes.subarray(cut)]), `cut at ${cut}`).toEqual(expected);
    }
    expect(read([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
  });

  it("takes and refuses the same documents as JSON.parse", () => {
    const words = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"',
      "1",
      "-",
      "0",
      ".5",
      "e",
      "true",
      "nul",
      "l",
      " ",
      "\\n",
      "\\",
      "\n",
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 12 }), (pieces) => {
        const text = pieces.join("");
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(() => whole(text), text).toThrow(damaged);
          return;
        }
        expect(whole(text)).toEqual(toMaps(expected));
      }),
      { numRuns: 5000 },
    );
  });

  it("refuses a document that is cut off, at every byte", () => {
    const bytes = Buffer.from('{"a":[1,"x",{"b":true}]}');
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => read([bytes.subarray(0, length)]), `${length} bytes`).toThrow(damaged);
    }
  });

  it.each([
    '"\\ud800"',
    '"\\ude00\\ud83d"',
    '"\\x"',
    '"\\u12"',
    '"\t"',
    "[1] 2",
    "[01]",
    "+1",
    "NaN",
    "'a'",
    "[1,]",
    '{"a":1,}',
    "{1:2}",
  ])("refuses %s", (text) => {
    expect(() => whole(text)).toThrow(damaged);
  });

  it("refuses what is not UTF-8", () => {
    expect(() => read([Buffer.from("22ff22", "hex")])).toThrow(damaged);
    expect(() => read([Buffer.from("22c322", "hex")])).toThrow(damaged);
  });

  it("refuses texts and nesting beyond its limits, however they are cut", () => {
    const limits = { textBytes: 20, depth: 3 };
    const long = Buffer.from(`["${"x".repeat(21)}"]`);
    expect(() => read([long], limits)).toThrow(damaged);
    expect(() =>
      read(
        [...long].map((byte) => Uint8Array.of(byte)),
        limits,
      ),
    ).toThrow(damaged);
    expect(() => read([Buffer.from(`[${"1".repeat(21)}]`)], limits)).toThrow(damaged);
    expect(read([Buffer.from(`["${"x".repeat(20)}"]`)], limits)).toEqual(["x".repeat(20)]);
    expect(() => read([Buffer.from("[[[[")], limits)).toThrow(damaged);
  });
});
