#!/usr/bin/env node
/**
 * Builds the Debian package for this machine: build/moneta_<version>_<architecture>.deb
 *
 *   npm run package:deb [-- --output <directory>] [--quick]
 *
 * DEBFULLNAME and DEBEMAIL say who the maintainer is; SOURCE_DATE_EPOCH gives all files one time, by default that of the last
 * commit. --quick compresses as fast as it can, for a package that is tried and thrown away.
 */
import { execFileSync } from "node:child_process";
import { lutimesSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { commandOptions } from "../setup/command-options.mjs";
import { mustRun } from "../setup/run-command.mjs";
import { addDebianParts, architecture, maintainerOf } from "./debian.mjs";
import { build, layOut } from "./tree.mjs";

const root = join(import.meta.dirname, "../..");
const usage = "npm run package:deb [-- --output <directory>] [--quick]";
const { output, quick } = commandOptions({ output: join(root, "build"), quick: false }, usage);

/** The time that all files have: two builds of the same sources are one package. */
function sourceDate() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined) return new Date(Number(given) * 1000);
  try {
    return new Date(Number(execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })) * 1000);
  } catch {
    // Sources without their history.
    return new Date();
  }
}

await build(root);
const scratch = mkdtempSync(join(tmpdir(), "moneta-deb-"));
try {
  const tree = join(scratch, "tree");
  const date = sourceDate();
  const { version: ours } = layOut(root, tree);
  const version = `${ours}-1`;
  addDebianParts(root, tree, { version, maintainer: maintainerOf(process.env), date });
  for (const name of ["", ...readdirSync(tree, { recursive: true })]) lutimesSync(join(tree, name), date, date);
  mkdirSync(output, { recursive: true });
  const file = resolve(output, `moneta_${version}_${architecture()}.deb`);
  const compression = quick ? ["-Zgzip", "-z1"] : ["-Zxz"];
  await mustRun("dpkg-deb", ["--root-owner-group", ...compression, "--build", tree, file], { env: { ...process.env, SOURCE_DATE_EPOCH: String(Math.floor(date.getTime() / 1000)) } });
  console.log(file);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
