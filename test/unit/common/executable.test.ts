import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isExecutable } from "../../../src/common/index.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

it("a program is a file that may be executed, or a link to one; nothing else is", async () => {
  const directory = temporaryDirectory({ prefix: "mx" }).path;
  const at = (name: string): string => join(directory, name);
  writeFileSync(at("program"), "#!/bin/sh\n");
  chmodSync(at("program"), 0o755);
  writeFileSync(at("text"), "");
  chmodSync(at("text"), 0o644);
  mkdirSync(at("directory"));
  symlinkSync(at("program"), at("link"));
  symlinkSync(at("nothing"), at("broken"));
  const found = await Promise.all(["program", "link", "text", "directory", "broken", "nothing", "program/below"].map((name) => isExecutable(at(name))));
  expect(found).toEqual([true, true, false, false, false, false, false]);
});
