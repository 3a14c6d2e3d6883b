import { saslprep } from "@mongodb-js/saslprep";
import fc from "fast-check";
import { expect, test } from "vitest";
import { preparePassword } from "../../../src/auth/index.ts";

test("a password of printable ASCII is what SASLprep makes of it, itself", () => {
  const ascii = fc.string({ unit: "binary-ascii" }).filter((text) => /^[ -~]+$/.test(text));
  fc.assert(fc.property(ascii, (password) => preparePassword(password) === saslprep(password) && preparePassword(password) === password));
});

test("other passwords are normalised, and prohibited ones taken as they are", () => {
  expect(preparePassword("I\u00adX")).toBe("IX");
  expect(preparePassword("\u2168")).toBe("IX");
  expect(preparePassword("\u00aa")).toBe("a");
  expect(preparePassword("a\u0007b")).toBe("a\u0007b");
  expect(preparePassword("")).toBe("");
});
