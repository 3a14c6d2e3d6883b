/** Writes the documents that are made from tables and parsers of the program: run it with tsx. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { generatedDocuments } from "./documents/generated-documents.ts";

const root = join(import.meta.dirname, "..");
for (const [path, text] of Object.entries(generatedDocuments)) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text());
  console.log(path);
}
