#!/usr/bin/env node
/** Builds dist/ afresh; packages must be there (`npm run setup` brings them). */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { ensureBuilt } from "./setup/build.mjs";

const root = join(import.meta.dirname, "..");
rmSync(join(root, "dist"), { recursive: true, force: true });
const complaints = await ensureBuilt(root);
if (complaints !== "") {
  console.error(complaints);
  process.exitCode = 1;
}
