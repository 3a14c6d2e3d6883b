"use strict";
/**
 * node record-code.cjs <program> <file> <word>…: runs a built program with these words and keeps in the file the code
 * that V8 has for it at the end, which is that of the functions that were called.
 */
const { writeFileSync } = require("node:fs");
const { codeFile, compile, run } = require("./start-program.cjs");

const [, , program, file, ...words] = process.argv;
process.argv = [process.execPath, program, ...words];
const script = compile(program);
process.on("exit", () => writeFileSync(file, codeFile(program, script)));
run(script, program);
