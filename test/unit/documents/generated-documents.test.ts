import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { availableCommands } from "../../../scripts/documents/command-content.ts";
import { generatedDocuments } from "../../../scripts/documents/generated-documents.ts";

test.each(Object.entries(generatedDocuments))("%s is up to date (npm run generate:documents)", (path, text) => {
  expect(readFileSync(join(import.meta.dirname, "../../..", path), "utf8")).toBe(text());
});

test.each(availableCommands)("$name is shown with an example of its own", ({ name, spec }) => {
  expect(spec.examples.length).toBeGreaterThan(0);
  for (const example of spec.examples) expect(example.startsWith(name)).toBe(true);
});
