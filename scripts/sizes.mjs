#!/usr/bin/env node
/**
 * The tests of sizes that take minutes and gigabytes; each prints seconds, peak memory and bytes.
 *
 *   npm run sizes                       all of them: up to 40 GB of disk
 *   npm run sizes -- files relations    only these, of: files tablespace table relations catalog
 */
import { runTests } from "./setup/run-tests.mjs";

const all = ["files", "tablespace", "table", "relations", "catalog"];
const words = process.argv.slice(2);
const unknown = words.filter((word) => !all.includes(word));
if (unknown.length > 0) {
  console.error(`there is no size called ${unknown.join(" or ")}; there are ${all.join(", ")}`);
  process.exit(2);
}
const wanted = words.length === 0 ? all : words;
const files = new Set(wanted.map((word) => (word === "catalog" ? "test/system/scenario-large-catalog.test.ts" : "test/system/scenario-sizes.test.ts")));
runTests([...files], { MONETA_SIZES: wanted.join(" ") });
