#!/usr/bin/env node
/**
 * Type check, style and floors of all sources, one line a check, and the complaints of those that failed. Types are
 * worked out once for the compiler and for the rules of ESLint that ask for them: it is most of what either does.
 *
 *   node scripts/test/check-sources.mjs <result file>   writes [{ name, status, output }] there as JSON
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ESLint } from "eslint";
import ts from "typescript";
import { runCommand } from "../setup/run-command.mjs";

const root = join(import.meta.dirname, "../..");
const program = readProgram();
const results = [typeCheck(), await lint(), await floors()];
writeFileSync(process.argv[2], JSON.stringify(results));

function readProgram() {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (problem) => { throw new Error(text([problem])); } };
  const { fileNames, options, projectReferences, errors } = ts.getParsedCommandLineOfConfigFile(join(root, "tsconfig.json"), {}, host);
  return ts.createProgram({ rootNames: fileNames, options, projectReferences, configFileParsingDiagnostics: errors });
}

function typeCheck() {
  const problems = ts.getPreEmitDiagnostics(program);
  return { name: "type check", status: problems.length === 0 ? 0 : 1, output: text(problems) };
}

function text(problems) {
  return ts.formatDiagnostics(problems, { getCurrentDirectory: () => root, getCanonicalFileName: (name) => name, getNewLine: () => "\n" });
}

async function lint() {
  const overrideConfig = { files: ["**/*.ts"], languageOptions: { parserOptions: { projectService: false, programs: [program] } } };
  const eslint = new ESLint({ cwd: root, overrideConfig });
  const found = await eslint.lintFiles(["."]);
  const problems = found.reduce((sum, { errorCount, warningCount }) => sum + errorCount + warningCount, 0);
  const output = problems === 0 ? "" : await (await eslint.loadFormatter("stylish")).format(found);
  return { name: "lint", status: problems === 0 ? 0 : 1, output };
}

async function floors() {
  const { status, output } = await runCommand(process.execPath, [join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs"), "src"], { cwd: root });
  return { name: "floors", status, output };
}
