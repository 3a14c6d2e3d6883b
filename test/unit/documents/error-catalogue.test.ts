import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { errorCatalogue } from "../../../scripts/documents/error-catalogue.ts";
import { classifiedCodes } from "../../../src/management/index.ts";

const source = join(import.meta.dirname, "../../../src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const textOf = (file: string): string => readFileSync(join(source, file), "utf8");
const codesIn = (file: string): string[] =>
  [...textOf(file).matchAll(/^ +code: "([A-Z][A-Z0-9_]*)",$/gm)].map((match) => match[1] ?? "");

/** Every place that declares codes, found by reading the text: nothing that the catalogue collects has a part in it. */
const declared = files.map((file) => ({ file, codes: codesIn(file) })).filter(({ codes }) => codes.length > 0);
const all = errorCatalogue.flatMap(({ folder, errors }) => errors.map((error) => ({ folder, error })));

describe("the error catalogue", () => {
  test("has every code of every folder, each declared once in the whole project", () => {
    expect(declared.length).toBeGreaterThan(20);
    const codes = declared.flatMap((each) => each.codes);
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
    expect(all.map(({ error }) => error.code).toSorted()).toEqual(codes.toSorted());
  });

  test("is declared in the errors.ts of the folders and nowhere else", () => {
    const elsewhere = declared.map(({ file }) => file).filter((file) => !/^[a-z]+\/errors\.ts$/.test(file));
    expect(elsewhere).toEqual([join("common", "moneta-error.ts")]);
  });

  test.each(all.map(({ folder, error }) => [folder, error.code, error] as const))(
    "%s: %s has an exit status of a failure and says in sentences what to do",
    (_folder, code, { exit, hint, retryable }) => {
      expect(code).toMatch(/^[A-Z][A-Z0-9_]*[A-Z0-9]$/);
      expect(Number.isInteger(exit) && exit >= 1 && exit <= 255).toBe(true);
      expect(typeof retryable).toBe("boolean");
      expect(hint).toMatch(/^[^\s].* .*[^\s.]\.$/);
    },
  );

  test("knows every code that has a number of pgmoneta's", () => {
    const known = new Set(all.map(({ error }) => error.code));
    expect(classifiedCodes.filter((code) => !known.has(code))).toEqual([]);
  });
});

test("nothing in src throws an error without a code", () => {
  // Commander wants its own kind from a parser of values; it never leaves moneta-admin's program.
  const coded = /throw new (?:MonetaError|InvalidArgumentError)\(/g;
  expect(files.filter((file) => /\bthrow new \w*Error\(/.test(textOf(file).replaceAll(coded, "")))).toEqual([]);
});
