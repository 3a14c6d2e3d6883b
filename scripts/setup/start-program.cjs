"use strict";
/**
 * Becomes dist/start.js: starts a built program. Beside each lies what V8 made of it when it was built, its code; with
 * that a process starts without compiling half a megabyte first. Without it, or with what another version of V8 made and
 * V8 refuses, a program starts as well, only later.
 */
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { Script } = require("node:vm");

/**
 * V8 looks at no more than the length of the source and trusts every byte of the code, so it gets only what is proved:
 * the file holds the source it was made of and the code twice. Comparing is a tenth of the cheapest digest, which would
 * have to be loaded first.
 */
function provenCode(source, file) {
  const codeAt = source.length;
  const length = (file.length - codeAt) / 2;
  if (!(length > 0) || !source.equals(file.subarray(0, codeAt))) return undefined;
  // From the start of an allocation: V8 wants it aligned.
  const code = Buffer.from(file.subarray(codeAt, codeAt + length));
  return code.equals(file.subarray(codeAt + length)) ? code : undefined;
}

function codeFor(source, path) {
  try {
    return provenCode(source, readFileSync(`${path}.code`));
  } catch {
    // Not made, or not for this account.
    return undefined;
  }
}

/** What belongs into the file beside the program of this source. */
exports.codeFile = (path, script) => {
  const code = script.createCachedData();
  return Buffer.concat([readFileSync(path), code, code]);
};

/** A function of what the program needs; every byte of a built program is ASCII. */
exports.compile = (path) => {
  const source = readFileSync(path);
  const text = `(function (require, module, exports, moduleAddress) {${source.latin1Slice()}\n})`;
  return new Script(text, { filename: path, cachedData: codeFor(source, path) });
};

exports.run = (script, path) => {
  const module = { exports: {} };
  script.runInThisContext().call(undefined, require, module, module.exports, pathToFileURL(path).href);
};

exports.start = (name) => {
  const path = join(__dirname, "programs", name);
  exports.run(exports.compile(path), path);
};
