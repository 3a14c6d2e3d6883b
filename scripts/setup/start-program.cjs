"use strict";
/**
 * Starts a built program; the build writes this into the file at the address of each. Beside a program lies what V8 made
 * of it when it was built, its code; with that a process starts without compiling half a megabyte first. Without it, or
 * with what another version of V8 made and V8 refuses, a program starts as well, only later.
 */
const { closeSync, fstatSync, openSync, readFileSync, readSync } = require("node:fs");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { Script } = require("node:vm");

/** Where what is only compared is read into, again and again: memory that is new takes longer than reading it. */
let part;

/** Whether what comes next in the file is exactly these bytes. */
function follows(file, bytes) {
  part ??= Buffer.allocUnsafeSlow(131_072);
  for (let at = 0; at < bytes.length; ) {
    const read = readSync(file, part, 0, Math.min(part.length, bytes.length - at), null);
    if (read === 0 || bytes.compare(part, 0, read, at, at + read) !== 0) return false;
    at += read;
  }
  return true;
}

/**
 * V8 looks at no more than the length of the source and trusts every byte of the code, so it gets only what is proved:
 * the file holds the source it was made of and the code twice. Comparing is a tenth of the cheapest digest, which would
 * have to be loaded first.
 */
function provenCode(source, file) {
  const length = (fstatSync(file).size - source.length) / 2;
  if (!(length > 0) || !Number.isInteger(length) || !follows(file, source)) return undefined;
  // From the start of an allocation: V8 wants it aligned.
  const code = Buffer.allocUnsafeSlow(length);
  for (let at = 0; at < length; ) {
    const read = readSync(file, code, at, length - at, null);
    if (read === 0) return undefined;
    at += read;
  }
  return follows(file, code) ? code : undefined;
}

function codeFor(source, path) {
  let file;
  try {
    file = openSync(`${path}.code`);
    return provenCode(source, file);
  } catch {
    // Not made, or not for this account.
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** What belongs into the file beside the program of this source. */
exports.codeFile = (path, script) => {
  const code = script.createCachedData();
  return Buffer.concat([readFileSync(path), code, code]);
};

/** The program is a function of what it needs; every byte of it is ASCII. */
exports.compile = (path) => {
  const source = readFileSync(path);
  return new Script(source.latin1Slice(), { filename: path, cachedData: codeFor(source, path) });
};

/**
 * `require`, which for the parts of Node in `names` (what each exports) gives an object that loads the part when
 * something of it is used.
 */
const late = (names) => {
  const parts = new Map();
  return (id) => {
    if (names[id] === undefined) return require(id);
    if (!parts.has(id)) parts.set(id, latePart(id, names[id]));
    return parts.get(id);
  };
};

function latePart(id, names) {
  let loaded;
  const part = {};
  for (const name of names) Object.defineProperty(part, name, { enumerable: true, get: () => (loaded ??= require(id))[name] });
  return part;
}

exports.run = (script, path) => {
  const module = { exports: {} };
  script.runInThisContext().call(undefined, { late }, module, module.exports, pathToFileURL(path).href);
};

exports.start = (name) => {
  const path = join(__dirname, "../programs", name);
  exports.run(exports.compile(path), path);
};
